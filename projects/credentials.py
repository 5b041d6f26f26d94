"""Who is calling: the answer of authentication, without the database row behind it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from projects.scopes import PLATFORM

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class ProjectCredential:
    """A project's key: opens that project only, within its scopes."""

    key_id: str
    project: "Project"
    scopes: frozenset[str]
    app_id: str | None = None

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class PlatformCredential:
    """The platform's key: registers and configures projects, and reads nothing of theirs."""

    key_id: str

    def allows(self, scope: str) -> bool:
        return scope in {PLATFORM, "project:read", "project:write", "keys:read", "keys:write"}

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"
