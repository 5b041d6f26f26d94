"""Credits: where they came from and went, giving some and taking what is left of them back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Button, Section
from common.together import Listed
from entitlements.credits import MAX_CREDITS
from entitlements.models import CreditEntry, CreditGrant, CreditTransaction
from entitlements.models.credit_grant import CreditSource
from entitlements.selectors import credit_history
from entitlements.services import credit_grants
from projects.admin import panels
from projects.admin.panels import Act
from projects.models import Customer

ENTRIES = 100
"""How many entries a grant's page shows."""


class GiveForm(dialogs.Dialog):
    amount = forms.IntegerField(
        min_value=1, max_value=MAX_CREDITS, widget=UnfoldAdminIntegerFieldWidget()
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=credit_grants.USUAL_PRIORITY,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="0 to 100. The lowest number is spent first.",
    )
    expires_at = fields.moment(label="Expires", help_text="Empty: never.")


GIVE = dialogs.describe(
    "Give credits", "They can be spent at once, beside all others.", submit="Give", form=GiveForm
)
TAKE_BACK = dialogs.describe(
    "Take back what is left",
    "What was spent stays spent; what is reserved follows if it is given back.",
    submit="Take back",
)


class OverspentFilter(filters.ConditionFilter):
    title = "overspent"
    parameter_name = "overspent"
    conditions = {"yes": credit_history.IS_OVERSPENT, "no": ~credit_history.IS_OVERSPENT}


@admin.register(CreditGrant)
class CreditGrantAdmin(ReadOnlyAdmin):
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
        newest = entries.select_related("transaction").order_by("-pk")[:ENTRIES]
        return [
            Section(
                title="Ledger",
                headers=["When", "What", "Bucket", "Amount", "Why"],
                rows=[
                    [
                        columns.moment(each.transaction.occurred_at),
                        columns.badge(each.transaction.movement),
                        each.get_bucket_display(),
                        f"{each.amount:+}",
                        _why(each.transaction),
                    ]
                    for each in newest
                ],
                right=[3],
                prose=[4],
            )
        ]


def _lists(customer: Customer, at: datetime) -> dict[str, Listed]:
    """What the customer can spend and where it came from, and what moved last."""
    left = credit_history.left_to(customer, at=at)
    moved = CreditTransaction.objects.for_project(customer.project_id).filter(customer=customer)
    return {
        "left": Listed(left[: panels.MOST], also=credit_history.SUMS),
        "moved": Listed(moved.order_by("-pk")[: panels.MOST]),
    }


def _show(
    request: HttpRequest, customer: Customer, at: datetime, rows: panels.Rows
) -> list[Section]:
    standing = credit_history.standing_from(customer, rows["left"])
    return [_grants(request, customer, standing, at), _movements(rows["moved"])]


PANEL = panels.Panel(_lists, _show)


def _grants(
    request: HttpRequest, customer: Customer, standing: credit_history.Standing, at: datetime
) -> Section:
    held = f", {standing.reserved} reserved" if standing.reserved else ""
    withheld = f", {standing.withheld} withheld" if standing.withheld else ""
    return Section(
        title="Credits",
        headers=["Credits", "From", "Left", "Of", "Status", "Expires", ""],
        rows=[
            [
                columns.link(row, row.pk),
                row.get_source_type_display(),
                row.available + row.reserved + row.withheld,
                row.due,
                columns.badge(row.status(at)),
                columns.moment(row.expires_at),
                _take_back(request, row),
            ]
            for row in standing.grants
        ],
        note=f"{standing.balance} to spend{held}{withheld}.",
        right=[2, 3],
        empty="Nothing is left, or ever was.",
        more=columns.listing("entitlements.creditgrant", q=customer.pk),
    )


def _movements(rows: Sequence[CreditTransaction]) -> Section:
    return Section(
        title="Credits: what moved",
        headers=["When", "What", "Amount", "Balance", "Why"],
        rows=[
            [
                columns.moment(row.occurred_at),
                columns.badge(row.movement),
                row.amount,
                row.balance,
                _why(row),
            ]
            for row in rows
        ],
        right=[2, 3],
        prose=[4],
        empty="Nothing moved yet.",
    )


def _why(row: CreditTransaction) -> str:
    return columns.shortened(" · ".join(filter(None, (row.feature, row.reason, row.reference))))


def _take_back(request: HttpRequest, row: CreditGrant) -> object:
    if row.revoked_at or not request.user.has_perm("entitlements.change_creditgrant"):
        return ""
    href = reverse("admin:entitlements_creditgrant_take_back", args=[row.pk])
    return Button("Take back", href).render()


def give(request: HttpRequest, customer: Customer) -> HttpResponse:
    """The dialog, then the act."""
    data = request.POST if request.method == "POST" else None
    form = GiveForm(request, customer.pk, data)
    if not form.is_valid():
        return dialogs.again(request, form, GIVE)

    def act() -> HttpResponse:
        made = credit_grants.give_by_hand(
            project=customer.project,
            user_id=customer.user_id,
            **form.cleaned_data,
            actor=actor(request),
            at=timezone.now(),
        )
        return dialogs.finish(request, f"Done: {made.pk}.", to=columns.url(customer))

    return dialogs.attempt(request, form, GIVE, act)


ACT = Act("credits", "Give credits", "toll", "entitlements.add_creditgrant", give)
