"""Base classes of the console's pages.

Rows that Stripe owns, and logs, are read-only: a change is a dialog that calls a service. So
:class:`ReadOnlyAdmin` is the rule and :class:`ConsoleAdmin` the exception.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from unfold.admin import ModelAdmin

from common.admin import columns
from common.admin.sections import Button, Section
from common.models import ProjectManager


def everywhere(model: type[Model]) -> QuerySet[Any]:
    """The rows of all projects; for operators only."""
    manager = model._default_manager  # noqa: SLF001  # Django's documented name
    if isinstance(manager, ProjectManager):
        return manager.across_projects()
    return manager.all()


class ConsoleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold carries no types
    """A list and a page per row, over all projects, newest first."""

    ordering: Sequence[str] = ["-pk"]
    list_per_page = 50
    list_fullwidth = True
    list_filter_submit = True
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    warn_unsaved_form = True
    compressed_fields = True
    empty_value_display = columns.EMPTY
    change_form_template = "console/page.html"

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        """Tables of related rows, below the row's fields."""
        return ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return everywhere(self.model).order_by(*self.get_ordering(request))

    def buttons(self, request: HttpRequest, row: Any) -> Sequence[Button]:
        """Buttons that open dialogs, above the row's fields."""
        return ()

    def row(self, request: HttpRequest, object_id: str) -> Any:
        """The row with this id. Raises Http404."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Redirect to the audit trail, which replaces Django's history of the row."""
        return redirect(columns.listing("events.auditentry", q=unquote(object_id)))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Always False: nothing is deleted by hand."""
        return False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Do nothing: services write the audit trail, so Django's own log is not needed."""

    log_change = log_addition


class ReadOnlyAdmin(ConsoleAdmin):
    """A list and a page without a form, so nothing can be posted."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
