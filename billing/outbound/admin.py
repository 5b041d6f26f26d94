from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import StripeIntent
from billing.outbound import intent_decisions
from billing.outbound.selectors import IN_STATE
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.templatetags.console import age

AGAIN = dialogs.describe(
    "Try again now",
    "Looks at Stripe for an object of an earlier attempt, and sends the request again if "
    "there is none.",
    submit="Try again now",
)
GIVE_UP = dialogs.describe(
    "Give up",
    "The request is never sent again. Check at Stripe first: an earlier attempt may have "
    "succeeded.",
    submit="Give up",
    keep="Keep it open",
)


class IntentStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = IN_STATE


@admin.register(StripeIntent)
class StripeIntentAdmin(ReadOnlyAdmin):
    """Intents: writes at Stripe with their results."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 6, "Intents", icon="outbound")
    actions_detail: ClassVar[Sequence[str]] = ["again", "give_up"]
    search_fields = ["id__exact", "subject__exact", "target__exact", "stripe_id__exact"]
    list_select_related = ["account", "project"]
    list_display = [
        "id",
        "operation_code",
        "state_badge",
        "project",
        "subject",
        "target",
        "open_for",
        "attempts",
        "error",
        "created_at",
    ]
    list_filter = [IntentStateFilter, filters.PROJECT, filters.dates("created_at")]
    fieldsets = [
        (None, {"fields": ("id", "operation", "state_badge", "account", "project", "created_at")}),
        ("What for", {"fields": ("subject", "target", "stripe_id", "parameters")}),
        (
            "Tries",
            {
                "fields": (
                    "attempts",
                    "key_generation",
                    "asked_at",
                    "failed_at",
                    "finished_at",
                    "answered_at",
                    "next_try_at",
                    "leased_until",
                    "error_text",
                )
            },
        ),
    ]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_stripeintent")

    @action(
        description="Try again now",
        url_path="try-again",
        icon="replay",
        permissions=["decide"],
        dialog=AGAIN,
    )
    def again(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            form,
            AGAIN,
            intent_decisions.try_again,
            row=self.row(request, object_id),
            message="It is tried again within a few seconds.",
        )

    @action(
        description="Give up",
        url_path="give-up",
        icon="block",
        permissions=["decide"],
        dialog=GIVE_UP,
    )
    def give_up(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            form,
            GIVE_UP,
            intent_decisions.give_up,
            row=self.row(request, object_id),
            message="Given up.",
        )

    def _decide(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        dialog: dict[str, Any],
        decide: Callable[..., None],
        *,
        row: StripeIntent,
        message: str,
    ) -> HttpResponse:
        def act() -> HttpResponse:
            decide(
                intent=row,
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Operation", ordering="operation")
    def operation_code(self, row: StripeIntent) -> object:
        return columns.code(row.operation)

    @display(description="State")
    def state_badge(self, row: StripeIntent) -> object:
        return columns.badge(row.state)

    @display(description="Open for")
    def open_for(self, row: StripeIntent) -> object:
        return age(row.created_at, row.finished_at or timezone.now())

    @display(description="Last error")
    def error(self, row: StripeIntent) -> str:
        return columns.shortened(row.last_error)

    @display(description="Last error")
    def error_text(self, row: StripeIntent) -> object:
        return columns.block(row.last_error) if row.last_error else columns.EMPTY

    @display(description="Parameters")
    def parameters(self, row: StripeIntent) -> object:
        return columns.document(row.params)
