"""Dialogs: the one way in which the console changes something.

Opening one is a GET that changes nothing; sending it is a POST with a CSRF token. Each asks for
a reason. What the service refuses is shown in the dialog, next to what was typed.
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
    """A form in a dialog, closed with a reason."""

    reason = forms.CharField(
        min_length=3,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit trail.",
    )
    field_order: list[str] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def render_before_template(self) -> str:
        """What the service refused, above the fields; then what the dialog itself has to say."""
        errors = self.non_field_errors() if self.is_bound else []
        refusals = render_to_string("console/refusal.html", {"errors": errors})
        return format_html("{}{}", refusals, super().render_before_template())

    @property
    def row_key(self) -> str:
        """The key of the row whose dialog this is."""
        return unquote(str(self.object_id))

    def refill(self, **values: str) -> None:
        """Show the form again as it was sent, every value of a field with several, but for these
        fields."""
        sent = self.request.POST.copy()
        for name, value in values.items():
            sent[name] = value
        self.data = sent


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

    ``keep`` is for what takes something away: the words on the button that leaves it as it is
    (*Keep subscription*). The button that does it is red then; with a preview, only the one that
    follows the preview (:func:`confirm`).
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
    """Close the dialog, go to a page and say there what happened."""
    messages.success(request, message)
    return go(to)


def go(to: str) -> HttpResponse:
    """Close the dialog and go to a page."""
    return HttpResponse(status=204, headers={"HX-Redirect": to})


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None
) -> HttpResponse:
    """Put another content into the open dialog. It is never cached."""
    response = render(request, template, context or {})
    response.headers["HX-Retarget"] = "#modal-content"
    response.headers["HX-Reselect"] = "#dialog"
    response.headers["HX-Reswap"] = "innerHTML"
    response.headers["Cache-Control"] = "no-store"
    return response


def again(request: HttpRequest, form: BaseDialogForm, dialog: dict[str, Any]) -> HttpResponse:
    """The same dialog once more, with what the form now has to say."""
    context = {"dialog": dialog, "form": form, "form_submit_text": dialog["form_submit_text"]}
    return show(request, "unfold/helpers/dialog.html", context)


def confirm(
    request: HttpRequest, form: BaseDialogForm, dialog: dict[str, Any], *, submit: str
) -> HttpResponse:
    """The same dialog with its preview; ``submit`` says what sending it once more does."""
    variant = "danger" if dialog["is_destructive"] else "primary"
    return again(request, form, {**dialog, "form_submit_text": submit, "variant": variant})


def attempt(
    request: HttpRequest,
    form: BaseDialogForm,
    dialog: dict[str, Any],
    act: Callable[[], HttpResponse],
) -> HttpResponse:
    """Run ``act``; an outcome that is not success becomes an error of the form."""
    try:
        return act()
    except DomainError as error:
        form.add_error(None, refusal(error))
        return again(request, form, dialog)


def refusal(error: DomainError) -> str:
    """What went wrong and what to do next, in one line."""
    return f"{error.title} {error.detail}".strip() if error.detail else error.title


@contextmanager
def reported(request: HttpRequest) -> Iterator[None]:
    """Turn an outcome that is not success into a message on the next page."""
    try:
        yield
    except DomainError as error:
        messages.error(request, refusal(error))
