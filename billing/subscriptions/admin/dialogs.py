"""End, pause and resume a subscription, or undo its planned change, with a look at access first."""

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

WHEN = (
    (CancellationTime.PERIOD_END.value, "With the running period"),
    (CancellationTime.NOW.value, "Now"),
)
SECOND = timedelta(seconds=1)


class SubscriptionForm(dialogs.Dialog):
    """``previewed`` is the fingerprint of what was sent when the effect was shown."""

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
    def said(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("previewed", "reason")
        }

    @property
    def fingerprint(self) -> str:
        row = self.subscription
        assert row is not None
        parts = [row.pk, row.customer.version, sorted(self.said.items())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def show(self, effects: list[DecisionChange]) -> None:
        self.effects = decisions.change_rows(effects)
        self.refill(previewed=self.fingerprint)

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"effects": self.effects}


class CancelForm(SubscriptionForm):
    when = fields.choice(WHEN)


class PauseForm(SubscriptionForm):
    resumes_at = fields.moment(label="Resumes", help_text="Empty: until somebody resumes it.")


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
    "Gives no money back. What is planned for it is dropped.",
    CancelForm,
    keep="Keep subscription",
)
PAUSE = _dialog(
    "Pause subscription",
    "It gives nothing and bills nothing until it is resumed.",
    PauseForm,
    keep="Keep it running",
)
RESUME = _dialog("Resume subscription", "It gives what was bought, and bills again.")
UNDO = _dialog(
    "Undo the planned change", "The subscription goes on as it is.", keep="Keep the planned change"
)
CANCEL_SUBMITS = {
    CancellationTime.NOW: "Cancel subscription now",
    CancellationTime.PERIOD_END: "Cancel at the end of the period",
}

Act = Callable[..., Subscription]


def cancel(request: HttpRequest, form: CancelForm) -> HttpResponse:
    row, now = _row(form), timezone.now()
    when = CancellationTime(form.cleaned_data["when"])
    ends = max((item.period_end for item in row.items.all()), default=now)
    effects = subscription_effects.of_end(
        subscription=row, at=now if when is CancellationTime.NOW else ends - SECOND
    )
    dialog = {**CANCEL, "title": CANCEL_SUBMITS[when]}
    return _decide(request, form, dialog, effects, subscriptions.cancel, when=when)


def pause(request: HttpRequest, form: PauseForm) -> HttpResponse:
    until: datetime | None = form.cleaned_data["resumes_at"]
    effects = subscription_effects.of_pause(
        subscription=_row(form), resumes_at=until, at=timezone.now()
    )
    return _decide(request, form, PAUSE, effects, subscriptions.pause, resumes_at=until)


def resume(request: HttpRequest, form: SubscriptionForm) -> HttpResponse:
    effects = subscription_effects.of_resume(subscription=_row(form), at=timezone.now())
    return _decide(request, form, RESUME, effects, subscriptions.resume)


def undo(request: HttpRequest, form: SubscriptionForm) -> HttpResponse:
    effects = subscription_effects.of_undo(subscription=_row(form), at=timezone.now())
    return _decide(request, form, UNDO, effects, subscriptions.undo)


def _row(form: SubscriptionForm) -> Subscription:
    assert form.subscription is not None
    return form.subscription


def _decide(
    request: HttpRequest,
    form: SubscriptionForm,
    dialog: dict[str, Any],
    effects: list[DecisionChange],
    act: Act,
    **said: Any,
) -> HttpResponse:
    """First the form, then the form with its effects, then the act."""
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.show(effects)
        return dialogs.confirm(request, form, dialog, submit=dialog["title"])

    def carry_out() -> HttpResponse:
        reason = form.cleaned_data["reason"]
        row = act(
            subscription=_row(form),
            actor=actor(request),
            at=timezone.now(),
            reason=reason,
            **said,
        )
        return dialogs.finish(request, f"Done: it is {row.status}.", to=columns.url(row))

    return dialogs.attempt(request, form, dialog, carry_out)
