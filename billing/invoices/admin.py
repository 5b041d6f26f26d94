from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.models import Invoice
from billing.models.sync_object import ObjectKind
from billing.sync.admin.mirrors import STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup

STATUSES = ("draft", "open", "paid", "uncollectible", "void")


@admin.register(Invoice)
class InvoiceAdmin(MirrorAdmin):
    sidebar = SidebarEntry(SidebarGroup.MONEY, 8, "Invoices", icon="receipt_long")
    kind = ObjectKind.INVOICE
    search_fields = [
        "id__exact",
        "stripe_id__exact",
        "number__exact",
        "customer__id__exact",
        "customer__user_id__exact",
        "customer__email__iexact",
    ]
    list_display = [
        "id",
        "number",
        "customer_link",
        "project_link",
        "status_badge",
        "shown_total",
        "issued_at",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", STATUSES),
        filters.dates("issued_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "number",
                    "project",
                    "customer",
                    "subscription",
                    "status_badge",
                    "billing_reason",
                    "shown_subtotal",
                    "shown_discount",
                    "shown_credits",
                    "shown_tax",
                    "shown_total",
                    "shown_due",
                    "shown_paid",
                    "shown_remaining",
                    "shown_credited",
                    "attempt_count",
                    "next_attempt_at",
                    "issued_at",
                    "paid_at",
                    "hosted_page",
                )
            },
        ),
        STRIPE,
    ]

    @display(description="Subtotal")
    def shown_subtotal(self, row: Invoice) -> str:
        return columns.money(row.subtotal, row.currency)

    @display(description="Discount")
    def shown_discount(self, row: Invoice) -> str:
        return columns.money(row.discount, row.currency)

    @display(description="Remaining")
    def shown_remaining(self, row: Invoice) -> str:
        return columns.money(row.amount_remaining, row.currency)

    @display(description="Credited")
    def shown_credited(self, row: Invoice) -> str:
        return columns.money(row.amount_credited, row.currency)

    @display(description="Billing credits")
    def shown_credits(self, row: Invoice) -> str:
        return columns.money(row.billing_credits, row.currency)

    @display(description="Tax")
    def shown_tax(self, row: Invoice) -> str:
        return columns.money(row.tax, row.currency)

    @display(description="Total", ordering="total")
    def shown_total(self, row: Invoice) -> str:
        return columns.money(row.total, row.currency)

    @display(description="Due")
    def shown_due(self, row: Invoice) -> str:
        return columns.money(row.amount_due, row.currency)

    @display(description="Paid")
    def shown_paid(self, row: Invoice) -> str:
        return columns.money(row.amount_paid, row.currency)

    @display(description="Hosted page")
    def hosted_page(self, row: Invoice) -> object:
        return columns.external_link(row.hosted_url)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [_lines_section(row), _payments_section(row), _credit_notes_section(row)]


def _lines_section(row: Invoice) -> Section:
    return Section(
        title="Lines",
        headers=["Description", "Price", "Quantity", "Amount", "Discount", "Tax", "From", "Until"],
        rows=[
            [
                line.description or columns.EMPTY,
                columns.link(line.price),
                line.quantity or columns.EMPTY,
                columns.money(line.amount, line.currency),
                columns.money(line.discount, line.currency),
                columns.money(line.tax, line.currency),
                columns.moment(line.period_start),
                columns.moment(line.period_end),
            ]
            for line in row.lines.select_related("price")
        ],
        right=[2, 3, 4, 5],
        prose=[0],
    )


def _payments_section(row: Invoice) -> Section:
    return Section(
        title="Payments",
        headers=["Payment", "Status", "Amount paid"],
        rows=[
            [
                columns.link(invoice_payment.payment, invoice_payment.payment_id or ""),
                columns.badge(invoice_payment.status),
                columns.money(invoice_payment.amount_paid, invoice_payment.currency),
            ]
            for invoice_payment in row.payments.select_related("payment")
        ],
        empty="This invoice has no payment.",
        right=[2],
    )


def _credit_notes_section(row: Invoice) -> Section:
    return Section(
        title="Credit notes",
        headers=["Number", "Status", "Amount", "Reason", "Issued", "Stripe id"],
        rows=[
            [
                note.number or columns.EMPTY,
                columns.badge(note.status),
                columns.money(note.amount, note.currency),
                note.reason or columns.EMPTY,
                columns.moment(note.issued_at),
                columns.code(note.stripe_id),
            ]
            for note in row.credit_notes.order_by("-pk")
        ],
        empty="This invoice has no credit note.",
        right=[2],
    )
