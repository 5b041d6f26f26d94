"""Credit grants in the console: list, page, giving credits and taking them back."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.credits import credit_grants
from entitlements.credits.admin.credit_panel import describe_purpose
from entitlements.credits.selectors import credit_history
from entitlements.models import CreditEntry, CreditGrant
from entitlements.models.credit_grant import CreditSource
from entitlements.resolution.credit_allocation import MAX_CREDITS
from projects.customers.admin.panels import CustomerAction
from projects.models import Customer

MAX_ENTRIES_SHOWN = 100
"""How many entries a grant's page shows."""


class GiveCreditsForm(dialogs.Dialog):
    amount = forms.IntegerField(
        min_value=1, max_value=MAX_CREDITS, widget=UnfoldAdminIntegerFieldWidget()
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=credit_grants.DEFAULT_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="0 to 100. The lowest number is spent first.",
    )
    expires_at = fields.moment(label="Expires", help_text="Empty: never.")


GIVE = dialogs.describe(
    "Give credits",
    "They can be spent at once, beside all others.",
    submit="Give",
    form=GiveCreditsForm,
)
TAKE_BACK = dialogs.describe(
    "Take back what is left",
    "What was spent stays spent; what is reserved follows if it is given back.",
    submit="Take back what is left",
    keep="Leave the credits",
)


class OverspentFilter(filters.ConditionFilter):
    title = "overspent"
    parameter_name = "overspent"
    conditions = {"yes": credit_history.IS_OVERSPENT, "no": ~credit_history.IS_OVERSPENT}


@admin.register(CreditGrant)
class CreditGrantAdmin(ReadOnlyAdmin):
    sidebar = SidebarEntry(SidebarGroup.ACCESS, 2, "Credits", icon="toll")
    actions_detail: ClassVar[Sequence[str]] = ["take_back"]
    actions_row: ClassVar[Sequence[str]] = ["take_back"]
    search_fields = [
        "id__exact",
        "source_id__exact",
        "customer__user_id__exact",
        "customer__id__exact",
        "customer__email__iexact",
    ]
    list_select_related = ["project", "customer"]
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "source_type",
        "amount",
        "available",
        "spent",
        "overspent_shown",
        "status_badge",
        "expires_at",
        "granted_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("source_type", list(CreditSource)),
        OverspentFilter,
        filters.dates("granted_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "status_badge",
                    "source_type",
                    "source_id",
                    "product_link",
                    "priority",
                    "granted_at",
                    "expires_at",
                    "reason",
                    "created_by",
                    "revoked_at",
                    "revoked_by",
                    "revoked_reason",
                )
            },
        ),
        (
            "Sums",
            {
                "fields": (
                    "amount",
                    "carried",
                    "due",
                    "given",
                    "available",
                    "reserved",
                    "withheld",
                    "spent",
                    "expired",
                    "overspent_shown",
                )
            },
        ),
    ]

    def has_take_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.change_creditgrant")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("customer", "project")

    @action(
        description="Take back what is left",
        url_path="take-back",
        icon="undo",
        variant=ActionVariant.DANGER,
        permissions=["take"],
        dialog=TAKE_BACK,
    )
    def take_back(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            grant = credit_grants.revoke(
                grant=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(
                request, "What was left is taken back.", to=columns.url(grant.customer)
            )

        return dialogs.attempt(request, form, TAKE_BACK, act)

    @display(description="Customer", ordering="customer__user_id")
    def customer_link(self, row: CreditGrant) -> object:
        return columns.link(row.customer)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: CreditGrant) -> object:
        return columns.link(row.project)

    @display(description="From product")
    def product_link(self, row: CreditGrant) -> object:
        if not row.product_id:
            return columns.EMPTY
        return columns.anchor(columns.page("billing.product", row.product_id), row.product_id)

    @display(description="Overspent")
    def overspent_shown(self, row: CreditGrant) -> object:
        return row.overspent or columns.EMPTY

    @display(description="Status")
    def status_badge(self, row: CreditGrant) -> object:
        return columns.badge(row.status(timezone.now()))

    def sections(self, request: HttpRequest, row: CreditGrant) -> Sequence[Section]:
        entries = CreditEntry.objects.for_project(row.project_id).filter(grant=row)
        newest = entries.select_related("transaction").order_by("-pk")[:MAX_ENTRIES_SHOWN]
        return [
            Section(
                title="Ledger",
                headers=["When", "What", "Bucket", "Amount", "Why"],
                rows=[
                    [
                        columns.moment(entry.transaction.occurred_at),
                        columns.badge(entry.transaction.movement),
                        entry.get_bucket_display(),
                        f"{entry.amount:+}",
                        describe_purpose(entry.transaction),
                    ]
                    for entry in newest
                ],
                right=[3],
                prose=[4],
            )
        ]


def give_credits(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Show the dialog; on POST, give the credits."""
    data = request.POST if request.method == "POST" else None
    form = GiveCreditsForm(request, customer.pk, data)
    if not form.is_valid():
        return dialogs.reopen(request, form, GIVE)

    def act() -> HttpResponse:
        grant = credit_grants.give_by_hand(
            project=customer.project,
            user_id=customer.user_id,
            **form.cleaned_data,
            actor=actor(request),
            at=timezone.now(),
        )
        return dialogs.finish(request, f"Done: {grant.pk}.", to=columns.url(customer))

    return dialogs.attempt(request, form, GIVE, act)


ACT = CustomerAction(
    "credits", "Give credits", "toll", "entitlements.add_creditgrant", give_credits
)
