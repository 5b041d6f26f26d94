from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from billing.accounts import publishable_keys
from billing.accounts import service as stripe_accounts
from billing.accounts.admin import endpoints, stripe_back_offs
from billing.accounts.admin.account_dialogs import (
    ADD_SECRET,
    AGAIN,
    CONNECT,
    ROTATE,
    SET_PUBLISHABLE,
    ConnectForm,
    KeyForm,
    PublishableKeyForm,
    SigningSecretForm,
)
from billing.models import StripeAccount
from billing.stripe import budget
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.errors import Conflict
from projects.models import Project


class PlatformKeysFromEnvironment(Conflict):
    code, title = "platforms-own", "The platform's own Stripe keys are set in its environment."


class OwnerFilter(filters.ConditionFilter):
    title = "owner"
    parameter_name = "owner"
    conditions = {"platform": Q(project__isnull=True), "project": Q(project__isnull=False)}


@admin.register(StripeAccount)
class StripeAccountAdmin(ReadOnlyAdmin):
    """Stripe accounts. Only the last four characters of a secret key are shown."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 1, "Accounts", icon="account_balance")
    actions_list: ClassVar[Sequence[str]] = ["connect"]
    actions_detail: ClassVar[Sequence[str]] = [
        "try_again",
        "rotate_key",
        "add_signing_secret",
        "set_publishable_key",
    ]
    search_fields = ["id__exact", "stripe_id__exact", "name__icontains"]
    list_select_related = ["project"]
    list_display = [
        "name",
        "owner",
        "mode_badge",
        "stripe_code",
        "key_badge",
        "masked",
        "events_seen_until",
        "created_at",
    ]
    list_filter = [OwnerFilter]
    fields = [
        "id",
        "name",
        "owner",
        "mode_badge",
        "stripe_code",
        "key_badge",
        "masked",
        "published",
        "budget_left",
        "events_seen_until",
        "created_at",
        "updated_at",
    ]

    def has_connect_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.add_stripeaccount")

    def has_secret_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_stripeaccount")

    @action(
        description="Connect an account",
        url_path="connect",
        icon="add_link",
        variant=ActionVariant.PRIMARY,
        permissions=["connect"],
        dialog=CONNECT,
    )
    def connect(self, request: HttpRequest, form: ConnectForm) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            account = stripe_accounts.connect(
                project=Project.objects.get(pk=data["project"]),
                secret_key=data["secret_key"],
                signing_secret=data["signing_secret"],
                publishable_key=data["publishable_key"],
                actor=actor(request),
                reason=data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{account} is connected.", to=columns.url(account))

        return dialogs.attempt(request, form, CONNECT, act)

    @action(
        description="Replace key",
        url_path="rotate-key",
        icon="autorenew",
        permissions=["secret"],
        dialog=ROTATE,
    )
    def rotate_key(self, request: HttpRequest, form: KeyForm, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            account = stripe_accounts.rotate_key(
                account=_own(self.row(request, object_id)),
                secret_key=form.cleaned_data["secret_key"],
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "The key is replaced.", to=columns.url(account))

        return dialogs.attempt(request, form, ROTATE, act)

    @action(
        description="Add signing secret",
        url_path="signing-secret",
        icon="signature",
        permissions=["secret"],
        dialog=ADD_SECRET,
    )
    def add_signing_secret(
        self, request: HttpRequest, form: SigningSecretForm, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            account = _own(self.row(request, object_id))
            stripe_accounts.add_signing_secret(
                account=account,
                signing_secret=form.cleaned_data["signing_secret"],
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Both secrets verify now.", to=columns.url(account))

        return dialogs.attempt(request, form, ADD_SECRET, act)

    @action(
        description="Set publishable key",
        url_path="publishable-key",
        icon="key_visualizer",
        permissions=["secret"],
        dialog=SET_PUBLISHABLE,
    )
    def set_publishable_key(
        self, request: HttpRequest, form: PublishableKeyForm, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            account = publishable_keys.replace(
                account=_own(self.row(request, object_id)),
                publishable_key=form.cleaned_data["publishable_key"],
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Front ends get this key.", to=columns.url(account))

        return dialogs.attempt(request, form, SET_PUBLISHABLE, act)

    @action(
        description="Try again now",
        url_path="try-again",
        icon="replay",
        permissions=["secret"],
        dialog=AGAIN,
    )
    def try_again(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            count = stripe_accounts.resume(
                account=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            message = f"{count} kind(s) of requests are tried again within a few seconds."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, AGAIN, act)

    @display(description="Owner", ordering="project__name")
    def owner(self, row: StripeAccount) -> object:
        return columns.link(row.project) if row.project else "the platform"

    @display(description="Mode", ordering="livemode")
    def mode_badge(self, row: StripeAccount) -> object:
        return columns.badge("live" if row.livemode else "test")

    @display(description="Stripe id")
    def stripe_code(self, row: StripeAccount) -> object:
        return columns.code(row.stripe_id)

    @display(description="Key opens")
    def key_badge(self, row: StripeAccount) -> object:
        """Whether the key opens the pinned account; with another one all requests are refused."""
        if row.mismatched_at is not None:
            other = f"another account: {row.mismatched_stripe_id}"
            return columns.badge(other, tone="danger")
        return columns.badge("this account", tone="success") if row.stripe_id else columns.EMPTY

    @display(description="Publishable key")
    def published(self, row: StripeAccount) -> object:
        if row.is_shared:
            return "from the environment"
        return columns.code(row.publishable_key)

    @display(description="Secret key")
    def masked(self, row: StripeAccount) -> object:
        if row.is_shared:
            return "from the environment"
        return columns.code(f"…{row.secret_key_last_four}")

    @display(description="Budget of reads")
    def budget_left(self, row: StripeAccount) -> object:
        """The part of the budget that is left now; an account that is not read has all of it."""
        rate, kind_rate = budget.rate(row), budget.rate_of_kind(row)
        left = budget.shares_left([row]).get(row.pk, 1.0)
        return f"{left:.0%} left of {rate:g} reads a second, {kind_rate:g} of one kind of object"

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [
            endpoints.section(row.endpoints.order_by("-pk")),
            stripe_back_offs.section(row),
            stripe_back_offs.permissions_section(row),
        ]


def _own(account: StripeAccount) -> StripeAccount:
    if account.is_shared:
        raise PlatformKeysFromEnvironment(
            "Change STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRETS or STRIPE_PUBLISHABLE_KEY and "
            "restart."
        )
    return account
