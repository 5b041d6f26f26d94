"""The base of the views that both the platform's keys and a project's keys can call."""

from projects.keys.api.views import ProjectViewSet
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.models import Project


class OperationsViewSet(ProjectViewSet):
    @property
    def caller(self) -> ProjectCredential | PlatformCredential:
        credential: ProjectCredential | PlatformCredential = self.request.auth  # type: ignore[assignment]  # ours, not REST framework's token
        return credential

    @property
    def visible_project(self) -> Project | None:
        """The only project whose rows the caller may see; None: those of all."""
        return self.caller.project if isinstance(self.caller, ProjectCredential) else None

    @property
    def is_platform(self) -> bool:
        return isinstance(self.caller, PlatformCredential)
