"""Who is calling: the answer of authentication, without the database row behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from projects.keys.scopes import PLATFORM, USER, Scope

if TYPE_CHECKING:
    from projects.models import Project

_OF_THE_PLATFORM = frozenset(
    {PLATFORM, Scope.PROJECT_READ, Scope.PROJECT_WRITE, Scope.KEYS_READ, Scope.KEYS_WRITE}
)


@dataclass(frozen=True, slots=True)
class ProjectCredential:
    """A project's key: opens that project only, within its scopes."""

    key_id: str
    project: "Project"
    scopes: frozenset[str]
    app_id: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def is_confined(self) -> bool:
        """Whether it stays within one app of the project."""
        return self.app_id is not None

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class PlatformCredential:
    """The platform's key: registers and configures projects, and reads nothing of theirs."""

    key_id: str
    last_used_at: datetime | None = None
    is_confined = False

    def allows(self, scope: str) -> bool:
        return scope in _OF_THE_PLATFORM

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class UserCredential:
    """A signed-in user of a project: opens what is theirs, and nothing else of the project."""

    project: "Project"
    user_id: str
    is_confined = False

    def allows(self, scope: str) -> bool:
        return scope == USER

    @property
    def actor(self) -> str:
        """Not by name: what they act on says whose it is, and a name could not be erased."""
        return "user"
