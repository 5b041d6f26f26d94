"""The base of every tenant-facing view: the project comes from the key, never from the input."""

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework.serializers import BaseSerializer, ValidationError
from rest_framework.viewsets import GenericViewSet

if TYPE_CHECKING:
    from projects.models import Project


class ProjectViewSet(GenericViewSet[Any]):
    """One resource of one project. ``scopes`` maps each action to the scope it needs.

    ``query`` maps an action to the serializer of its query parameters; an action without one
    accepts only the paging parameters, and every unknown parameter is refused.
    """

    scopes: ClassVar[dict[str, str]] = {}
    query: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {}
    paging_parameters: ClassVar[frozenset[str]] = frozenset({"limit", "cursor"})

    @property
    def calling_project(self) -> "Project":
        """The project whose key made this call."""
        project: Project = self.request.auth.project  # type: ignore[union-attr]
        return project

    def parse_body(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The validated body; raises a 422 that names each wrong field."""
        parsed = serializer(data=self.request.data, context=self.get_serializer_context())
        parsed.is_valid(raise_exception=True)
        validated: dict[str, Any] = parsed.validated_data
        return validated

    def parse_query(self) -> dict[str, Any]:
        """The validated query parameters of this action; unknown ones are a 422."""
        given = {key: self.request.query_params[key] for key in self.request.query_params}
        if any("\x00" in value for value in given.values()):
            raise ValidationError({"query": ["Text may not hold NUL characters."]})
        if getattr(self, "action", "") == "list":
            given = {key: value for key, value in given.items() if key not in self.paging_parameters}
        serializer = self.query.get(self.action or "")
        if serializer is None:
            if given:
                raise ValidationError({key[:100]: ["This parameter is not known."] for key in given})
            return {}
        parsed = serializer(data=given, context=self.get_serializer_context())
        parsed.is_valid(raise_exception=True)
        validated: dict[str, Any] = parsed.validated_data
        return validated

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.query_values = self.parse_query()
