"""The base view of all paths below ``/projects/{project_id}``.

A platform key can use them for every project, a key of a project for its own project only. For a
project's key, every other project is answered 404.
"""

from functools import cached_property

from projects.keys.api.views import ProjectViewSet
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.selectors import projects
from projects.models import Project


class ProjectPathViewSet(ProjectViewSet):
    @property
    def caller(self) -> ProjectCredential | PlatformCredential:
        credential: ProjectCredential | PlatformCredential = self.request.auth  # type: ignore[assignment]  # ours, not REST framework's token
        return credential

    @property
    def own_app_id(self) -> str | None:
        """The app that the calling key belongs to; None for a key of the project or platform."""
        return self.caller.app_id if isinstance(self.caller, ProjectCredential) else None

    @cached_property
    def project(self) -> Project:
        """The project in the address; raises NotFound when the caller may not see it."""
        return projects.get(caller=self.caller, project_id=self.kwargs["project_id"])
