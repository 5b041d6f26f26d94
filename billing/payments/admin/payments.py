from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import ObjectKind
from billing.payments import refund_lines
from billing.payments.admin import refund_dialog
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import action, display
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup


@admin.register(Payment)
class PaymentAdmin(MirrorAdmin):
    sidebar = SidebarEntry(SidebarGroup.MONEY, 3, "Payments", icon="payments")
    kind = ObjectKind.PAYMENT_INTENT
    actions_detail: ClassVar[Sequence[str]] = ["refund", "read_again"]
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "status_badge",
        "shown_type",
        "shown_amount",
        "shown_refunded",
        "paid_at",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", PaymentStatus.values),
        filters.words("type", PaymentType.values),
        filters.dates("paid_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "checkout",
                    "status_badge",
                    "shown_type",
                    "shown_detected",
                    "reference",
                    "workflow_id",
                    "description",
                    "shown_amount",
                    "shown_received",
                    "shown_refunded",
                    "shown_disputed",
                    "failure",
                    "off_session",
                    "payment_method_type",
                    "paid_at",
                    "expires_at",
                    "expired_at",
                    "created_at",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def has_refund_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.add_refund")

    @action(
        description="Refund",
        url_path="refund",
        icon="undo",
        permissions=["refund"],
        dialog=refund_dialog.REFUND,
    )
    def refund(
        self, request: HttpRequest, form: refund_dialog.RefundForm, object_id: str
    ) -> HttpResponse:
        self.row(request, object_id)
        return refund_dialog.handle_refund(request, form)

    @display(description="For", ordering="type")
    def shown_type(self, row: Payment) -> str:
        return row.get_type_display() or columns.EMPTY

    @display(description="Detected because")
    def shown_detected(self, row: Payment) -> str:
        return row.detected.get("because") or columns.EMPTY

    @display(description="Amount", ordering="amount")
    def shown_amount(self, row: Payment) -> str:
        return columns.money(row.amount, row.currency)

    @display(description="Received")
    def shown_received(self, row: Payment) -> str:
        return columns.money(row.amount_received, row.currency)

    @display(description="Refunded", ordering="amount_refunded")
    def shown_refunded(self, row: Payment) -> str:
        return columns.money(row.amount_refunded, row.currency) if row.amount_refunded else "–"

    @display(description="Disputed")
    def shown_disputed(self, row: Payment) -> str:
        return columns.money(row.amount_disputed, row.currency) if row.amount_disputed else "–"

    @display(description="Failure")
    def failure(self, row: Payment) -> str:
        return ": ".join(filter(None, [row.failure_code, row.failure_message])) or columns.EMPTY

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [
            _lines_section(row),
            _refunds_section(row),
            _disputes_section(row),
            _warnings_section(row),
            _invoices_section(row),
        ]


def _lines_section(row: Payment) -> Section:
    return Section(
        title="Lines",
        headers=["Line", "Product", "Quantity", "Cost", "Refunded for this line"],
        rows=[
            [
                refundable.line.pk,
                columns.link(refundable.line.price.product),
                str(refundable.line.quantity),
                columns.money(refundable.cost, row.currency),
                columns.money(refundable.refunded, row.currency),
            ]
            for refundable in refund_lines.list_refundable(row)
        ],
        empty="This payment has no checkout page, so it has no lines.",
        right=[2, 3, 4],
    )


def _refunds_section(row: Payment) -> Section:
    return Section(
        title="Refunds",
        headers=["Refund", "Amount", "Status", "Reason", "At"],
        rows=[
            [
                columns.link(refund, refund.pk),
                columns.money(refund.amount, refund.currency),
                columns.badge(refund.status or "requested"),
                refund.failure_reason or refund.reason or columns.EMPTY,
                columns.moment(refund.refunded_at),
            ]
            for refund in row.refunds.order_by("-pk")
        ],
        right=[1],
    )


def _disputes_section(row: Payment) -> Section:
    return Section(
        title="Disputes",
        headers=["Dispute", "Amount", "Status", "Reason", "Answer due", "Opened"],
        rows=[
            [
                columns.link(dispute, dispute.pk),
                columns.money(dispute.amount, dispute.currency),
                columns.badge(dispute.status),
                dispute.reason or columns.EMPTY,
                columns.moment(dispute.evidence_due_by),
                columns.moment(dispute.opened_at),
            ]
            for dispute in row.disputes.order_by("-pk")
        ],
        empty="No bank disputes this payment.",
        right=[1],
    )


def _warnings_section(row: Payment) -> Section:
    return Section(
        title="Early fraud warnings",
        headers=["Warning", "Kind", "Status", "At"],
        rows=[
            [
                columns.link(warning, warning.pk),
                str(warning),
                columns.badge("actionable", tone="warning") if warning.actionable else "closed",
                columns.moment(warning.warned_at),
            ]
            for warning in row.fraud_warnings.order_by("-pk")
        ],
        note="A dispute often follows. A refund can prevent it; Tollgate never refunds by itself.",
    )


def _invoices_section(row: Payment) -> Section:
    return Section(
        title="Invoices",
        headers=["Invoice", "Amount paid", "Status"],
        rows=[
            [
                columns.link(invoice_payment.invoice),
                columns.money(invoice_payment.amount_paid, invoice_payment.currency),
                columns.badge(invoice_payment.status),
            ]
            for invoice_payment in row.invoice_payments.select_related("invoice")
        ],
        empty="This payment pays no invoice.",
        right=[1],
    )
