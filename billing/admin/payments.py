from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from billing.models import Payment
from billing.models.payment import PaymentStatus, PaymentType
from billing.models.sync_object import Kind
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sections import Section


@admin.register(Payment)
class PaymentAdmin(MirrorAdmin):
    kind = Kind.PAYMENT_INTENT
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
                    "description",
                    "shown_amount",
                    "shown_received",
                    "shown_refunded",
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

    @display(description="Failure")
    def failure(self, row: Payment) -> str:
        return ": ".join(filter(None, [row.failure_code, row.failure_message])) or columns.EMPTY

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [
            Section(
                title="Refunds",
                headers=["Refund", "Amount", "Status", "Reason", "At"],
                rows=[
                    [
                        columns.link(refund, refund.pk),
                        columns.money(refund.amount, refund.currency),
                        columns.badge(refund.status),
                        refund.reason or columns.EMPTY,
                        columns.moment(refund.refunded_at),
                    ]
                    for refund in row.refunds.order_by("-pk")
                ],
                right=[1],
            )
        ]
