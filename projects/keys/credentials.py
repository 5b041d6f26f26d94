"""The authenticated caller, without its database row."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from projects.keys.scopes import PLATFORM, PUBLIC, USER, KeyScope

if TYPE_CHECKING:
    from projects.models import Project

_OF_THE_PLATFORM = frozenset(
    {
        PLATFORM,
        KeyScope.PROJECT_READ,
        KeyScope.PROJECT_WRITE,
        KeyScope.KEYS_READ,
        KeyScope.KEYS_WRITE,
        KeyScope.ADMIN_RECONCILE,
        KeyScope.METRICS_READ,
    }
)


@dataclass(frozen=True, slots=True)
class ProjectCredential:
    """The key of a project or app: it gives access to that project only, within its scopes."""

    key_id: str
    project: "Project"
    scopes: frozenset[str]
    app_id: str | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        return scope in self.scopes

    @property
    def caller_id(self) -> str:
        return self.key_id

    @property
    def tenant(self) -> "Project":
        return self.project

    @property
    def is_confined(self) -> bool:
        """Whether it is the key of an app."""
        return self.app_id is not None

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class PlatformCredential:
    """A platform key: it registers and configures projects, reads their metrics and reconciles
    Stripe accounts, but reads no other data of theirs."""

    key_id: str
    last_used_at: datetime | None = None
    is_confined = False
    tenant = None

    @property
    def caller_id(self) -> str:
        return self.key_id

    def allows(self, scope: str) -> bool:
        return scope in _OF_THE_PLATFORM

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class UserCredential:
    """A signed-in user of a project: may access their own billing only."""

    project: "Project"
    user_id: str
    is_confined = False

    @property
    def caller_id(self) -> str:
        return f"{self.project.pk}:{self.user_id}"

    @property
    def tenant(self) -> "Project":
        return self.project

    def allows(self, scope: str) -> bool:
        return scope in (USER, PUBLIC)

    @property
    def actor(self) -> str:
        """Not the user_id: the object of the action names the user, and the audit trail could
        not be erased."""
        return "user"


@dataclass(frozen=True, slots=True)
class PublicCredential:
    """A caller without a token, in a project whose plans are public: may read those plans only."""

    project: "Project"
    is_confined = False
    actor = "public"

    def allows(self, scope: str) -> bool:
        return scope == PUBLIC
