"""Actions on many rows of a list: a page in between shows the rows and asks for a reason."""

from typing import Any

from django import forms
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextareaWidget

from common.admin.pages import ConsoleAdmin

SHOWN = 20


class ReasonForm(forms.Form):
    reason = forms.CharField(
        min_length=3,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Stored in the audit trail.",
    )


def ask_reason(
    admin: ConsoleAdmin,
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    title: str,
    description: str,
    submit: str,
) -> HttpResponse | str:
    """Return the reason if the form has one, otherwise the page that asks for it."""
    form = ReasonForm(request.POST if "reason" in request.POST else None)
    if form.is_valid():
        reason: str = form.cleaned_data["reason"]
        return reason
    across = request.POST.get("select_across") == "1"
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": title,
        "description": description,
        "submit": submit,
        "form": form,
        "count": rows.count(),
        "rows": list(rows[:SHOWN]),
        "action": request.POST.get("action", ""),
        "index": request.POST.get("index", "0"),
        "select_across": "1" if across else "0",
        "selected": request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)[: 1 if across else None],
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "console/confirm.html", context)
