"""The base classes of the console's pages.

Rows that Stripe owns, and logs, are shown and never edited: a change is a dialog that calls a
service. So :class:`ReadOnlyAdmin` is the rule, and :class:`ConsoleAdmin` the exception.
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
    """A list and a page per row, over every project's rows, newest first."""

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
        """Tables of related rows below the row's own fields."""
        return ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return everywhere(self.model).order_by(*self.get_ordering(request))

    def buttons(self, request: HttpRequest, row: Any) -> Sequence[Button]:
        """Dialogs above the row's own fields."""
        return ()

    def row(self, request: HttpRequest, object_id: str) -> Any:
        """The row that an address names; raises Http404."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """What was done to a row by hand stands in the audit trail, not in Django's own log."""
        return redirect(columns.listing("events.auditentry", q=unquote(object_id)))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted by hand."""
        return False

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Services write the audit trail; Django's log of forms would say it twice."""

    log_change = log_addition


class ReadOnlyAdmin(ConsoleAdmin):
    """A list and a page to read. There is no form, so nothing can be posted to it."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
