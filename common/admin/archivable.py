"""Console pages of rows that are defined by hand, changed, archived and restored, and never
deleted."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.admin import columns, dialogs
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin

Action = Callable[..., HttpResponse]


class ArchivableAdmin(ReadOnlyAdmin):
    """The page of rows with a project, a name, a unit and ``archived_at``.

    ``edit``, ``archive`` and ``restore`` of a subclass are made by :func:`actions`.
    """

    actions_detail: ClassVar[Sequence[str]] = ["edit", "archive", "restore"]

    def has_define_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return self.has_permission_to("add", request)

    def has_edit_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return self.has_permission_to("change", request)

    def has_permission_to(self, verb: str, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}")

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Any) -> object:
        return columns.link(row.project)

    @display(description="State")
    def state_badge(self, row: Any) -> object:
        return columns.badge("archived" if row.archived_at else "active")


def actions(
    noun: str,
    change: Callable[..., Model],
    *,
    edit: dict[str, Any],
    archive: dict[str, Any],
    restore: dict[str, Any],
) -> tuple[Action, Action, Action]:
    """The three actions that open these dialogs.

    ``change`` is the service that changes a row; it takes the row as the argument named by
    ``noun``.
    """

    def carry_out(
        page: ReadOnlyAdmin,
        request: HttpRequest,
        form: dialogs.Dialog,
        object_id: str,
        dialog: dict[str, Any],
        **changes: Any,
    ) -> HttpResponse:
        def act() -> HttpResponse:
            row = change(
                **{noun: page.row(request, object_id)},
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
                **changes,
            )
            return dialogs.finish(request, f"{row} is changed.", to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    options = {"permissions": ["edit"]}

    @action(description="Change", url_path="edit", icon="edit", dialog=edit, **options)
    def edit_row(
        page: ReadOnlyAdmin, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        changes = {"name": form.cleaned_data["name"], "unit": form.cleaned_data["unit"]}
        return carry_out(page, request, form, object_id, edit, **changes)

    @action(description="Archive", url_path="archive", icon="archive", dialog=archive, **options)
    def archive_row(
        page: ReadOnlyAdmin, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        return carry_out(page, request, form, object_id, archive, archived=True)

    @action(description="Restore", url_path="restore", icon="unarchive", dialog=restore, **options)
    def restore_row(
        page: ReadOnlyAdmin, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        return carry_out(page, request, form, object_id, restore, archived=False)

    return edit_row, archive_row, restore_row
