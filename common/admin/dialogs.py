"""Dialogs: the only way to change something in the console.

Opening a dialog is a GET that changes nothing; submitting it is a POST with a CSRF token. Each
dialog asks for a reason. A refusal by the service is shown in the dialog, next to the input.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from common.errors import DomainError


class Dialog(BaseDialogForm):  # type: ignore[misc]  # unfold carries no types
    """A form in a dialog, with a reason as its last field."""

    reason = forms.CharField(
        min_length=3,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Stored in the audit trail.",
    )
    field_order: list[str] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def render_before_template(self) -> str:
        """The service's refusals, above the fields, then the dialog's own text."""
        errors = self.non_field_errors() if self.is_bound else []
        refusals = render_to_string("console/refusal.html", {"errors": errors})
        return format_html("{}{}", refusals, super().render_before_template())

    @property
    def row_key(self) -> str:
        """Primary key of the row that the dialog is about."""
        return unquote(str(self.object_id))

    def refill(self, **values: str) -> None:
        """Show the submitted form again, with these fields replaced."""
        submitted = self.request.POST.copy()
        for name, value in values.items():
            submitted[name] = value
        self.data = submitted


def describe(
    title: str,
    description: str,
    *,
    submit: str,
    form: type[BaseDialogForm] = Dialog,
    keep: str = "",
    has_preview: bool = False,
) -> dict[str, Any]:
    """The ``dialog`` argument of unfold's ``action``.

    ``keep`` is for destructive dialogs: the label of the button that cancels (*Keep subscription*).
    The submit button is then red; with a preview, only the one after the preview is
    (:func:`confirm`).
    """
    return {
        "title": title,
        "description": description,
        "form_class": form,
        "form_submit_text": submit,
        "dismiss": keep or "Close",
        "is_destructive": bool(keep),
        "variant": "danger" if keep and not has_preview else "primary",
    }


def finish(request: HttpRequest, message: str, *, to: str) -> HttpResponse:
    """Close the dialog, go to the page ``to`` and show the message there."""
    messages.success(request, message)
    return go(to)


def go(to: str) -> HttpResponse:
    """Close the dialog and go to a page."""
    return HttpResponse(status=204, headers={"HX-Redirect": to})


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None
) -> HttpResponse:
    """Replace the content of the open dialog. The response is never cached."""
    response = render(request, template, context or {})
    response.headers["HX-Retarget"] = "#modal-content"
    response.headers["HX-Reselect"] = "#dialog"
    response.headers["HX-Reswap"] = "innerHTML"
    response.headers["Cache-Control"] = "no-store"
    return response


def reopen(request: HttpRequest, form: BaseDialogForm, dialog: dict[str, Any]) -> HttpResponse:
    """Show the same dialog again, with the form's errors."""
    context = {"dialog": dialog, "form": form, "form_submit_text": dialog["form_submit_text"]}
    return show(request, "unfold/helpers/dialog.html", context)


def confirm(
    request: HttpRequest, form: BaseDialogForm, dialog: dict[str, Any], *, submit: str
) -> HttpResponse:
    """Show the same dialog with its preview; ``submit`` is the new label of the submit button."""
    variant = "danger" if dialog["is_destructive"] else "primary"
    return reopen(request, form, {**dialog, "form_submit_text": submit, "variant": variant})


def attempt(
    request: HttpRequest,
    form: BaseDialogForm,
    dialog: dict[str, Any],
    submit: Callable[[], HttpResponse],
) -> HttpResponse:
    """Run ``act``; a DomainError becomes an error of the form."""
    try:
        return submit()
    except DomainError as error:
        form.add_error(None, refusal(error))
        return reopen(request, form, dialog)


def refusal(error: DomainError) -> str:
    """Title and detail of the error in one line: what went wrong and what to do next."""
    return f"{error.title} {error.detail}".strip() if error.detail else error.title


@contextmanager
def reported(request: HttpRequest) -> Iterator[None]:
    """Turn a DomainError into a message on the next page."""
    try:
        yield
    except DomainError as error:
        messages.error(request, refusal(error))
