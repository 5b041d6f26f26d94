"""Dialogs that cancel, pause or resume a subscription, or undo its scheduled change.

Each shows the change of access before it runs.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import Subscription
from billing.subscriptions import effects as subscription_effects
from billing.subscriptions import service as subscriptions
from billing.subscriptions.selectors import subscriptions as stored
from billing.subscriptions.service import CancellationTime
from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from entitlements.decisions.admin import decisions
from entitlements.decisions.selectors.effects import DecisionChange

CANCELLATION_TIMES = (
    (CancellationTime.PERIOD_END.value, "At the end of the current period"),
    (CancellationTime.NOW.value, "Now"),
)
SECOND = timedelta(seconds=1)


class SubscriptionForm(dialogs.Dialog):
    """A dialog of one subscription. ``previewed`` is the fingerprint of the previewed values."""

    form_after_template = "console/effects.html"
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.effects: list[dict[str, object]] = []
        rows = Subscription.objects.across_projects().select_related("project")
        row = rows.filter(pk=self.row_key).first()
        self.subscription: Subscription | None = row and stored.get(
            project=row.project, subscription_id=row.pk
        )

    @property
    def service_values(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("previewed", "reason")
        }

    @property
    def fingerprint(self) -> str:
        row = self.subscription
        assert row is not None
        parts = [row.pk, row.customer.version, sorted(self.service_values.items())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def show_effects(self, effects: list[DecisionChange]) -> None:
        self.effects = decisions.change_rows(effects)
        self.refill(previewed=self.fingerprint)

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"effects": self.effects}


class CancelForm(SubscriptionForm):
    when = fields.choice(CANCELLATION_TIMES)


class PauseForm(SubscriptionForm):
    resumes_at = fields.moment(
        label="Resumes", help_text="Leave empty to pause it until somebody resumes it."
    )


def _dialog(
    title: str,
    description: str,
    form: type[SubscriptionForm] = SubscriptionForm,
    *,
    keep: str = "",
) -> dict[str, Any]:
    return dialogs.describe(
        title,
        description,
        submit="Show what will change",
        form=form,
        keep=keep,
        has_preview=True,
    )


CANCEL = _dialog(
    "Cancel subscription",
    "Refunds nothing. A scheduled change of the subscription is removed.",
    CancelForm,
    keep="Keep subscription",
)
PAUSE = _dialog(
    "Pause subscription",
    "The customer has no access and is not billed until it is resumed.",
    PauseForm,
    keep="Keep it running",
)
RESUME = _dialog("Resume subscription", "The customer has access and is billed again.")
UNDO = _dialog(
    "Undo the scheduled change",
    "The subscription continues unchanged after the current period.",
    keep="Keep the scheduled change",
)
CANCEL_SUBMITS = {
    CancellationTime.NOW: "Cancel subscription now",
    CancellationTime.PERIOD_END: "Cancel at the end of the period",
}

SubscriptionService = Callable[..., Subscription]


def cancel(request: HttpRequest, form: CancelForm) -> HttpResponse:
    row, now = _get_subscription(form), timezone.now()
    when = CancellationTime(form.cleaned_data["when"])
    period_end = max((item.period_end for item in row.items.all()), default=now)
    effects = subscription_effects.preview_end(
        subscription=row, at=now if when is CancellationTime.NOW else period_end - SECOND
    )
    dialog = {**CANCEL, "title": CANCEL_SUBMITS[when]}
    return _preview_or_run(request, form, dialog, effects, subscriptions.cancel, when=when)


def pause(request: HttpRequest, form: PauseForm) -> HttpResponse:
    resumes_at: datetime | None = form.cleaned_data["resumes_at"]
    effects = subscription_effects.preview_pause(
        subscription=_get_subscription(form), resumes_at=resumes_at, at=timezone.now()
    )
    return _preview_or_run(
        request, form, PAUSE, effects, subscriptions.pause, resumes_at=resumes_at
    )


def resume(request: HttpRequest, form: SubscriptionForm) -> HttpResponse:
    effects = subscription_effects.preview_resume(
        subscription=_get_subscription(form), at=timezone.now()
    )
    return _preview_or_run(request, form, RESUME, effects, subscriptions.resume)


def undo(request: HttpRequest, form: SubscriptionForm) -> HttpResponse:
    effects = subscription_effects.preview_undo(
        subscription=_get_subscription(form), at=timezone.now()
    )
    return _preview_or_run(request, form, UNDO, effects, subscriptions.undo_scheduled_change)


def _get_subscription(form: SubscriptionForm) -> Subscription:
    assert form.subscription is not None
    return form.subscription


def _preview_or_run(
    request: HttpRequest,
    form: SubscriptionForm,
    dialog: dict[str, Any],
    effects: list[DecisionChange],
    service: SubscriptionService,
    **values: Any,
) -> HttpResponse:
    """Show the effects of the form's values first; call the service when they come again."""
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.show_effects(effects)
        return dialogs.confirm(request, form, dialog, submit=dialog["title"])

    def run_service() -> HttpResponse:
        reason = form.cleaned_data["reason"]
        row = service(
            subscription=_get_subscription(form),
            actor=actor(request),
            at=timezone.now(),
            reason=reason,
            **values,
        )
        message = f"Done: the subscription is {row.status}."
        return dialogs.finish(request, message, to=columns.url(row))

    return dialogs.attempt(request, form, dialog, run_service)
