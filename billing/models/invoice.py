from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links
from common.money import Money

DRAFT, OPEN, PAID = "draft", "open", "paid"
DELETED = "deleted"
"""Our status of a draft that was deleted at Stripe, which has no status for it."""
UNPAID = frozenset({DRAFT, OPEN})
"""Statuses that wait for payment; a draft waits once it is finalized."""
VOID = "void"
UNPAYABLE = frozenset({VOID, "uncollectible"})
"""Statuses in which the invoice is no longer collected."""


class Invoice(Mirror):
    """A bill of Stripe. ``status`` in Stripe's words; amounts in minor units."""

    id = PublicIdField(prefix="inv")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    subscription = models.ForeignKey(
        "billing.Subscription",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        db_constraint=False,
    )
    subscription_stripe_id = models.CharField(max_length=255, blank=True)
    number = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=20)
    billing_reason = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3)
    subtotal = models.BigIntegerField()
    discount = models.BigIntegerField(default=0)
    billing_credits = models.BigIntegerField(
        default=0, db_default=0, help_text="Taken off by Stripe's credit grants, before taxes."
    )
    tax = models.BigIntegerField(default=0)
    total = models.BigIntegerField()
    amount_due = models.BigIntegerField()
    amount_paid = models.BigIntegerField()
    amount_remaining = models.BigIntegerField(default=0)
    amount_credited = models.BigIntegerField(
        default=0, help_text="Taken off by credit notes after it was final."
    )
    taxes = models.JSONField(default=list, blank=True)
    discounts = models.JSONField(default=list, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    hosted_url = models.TextField(blank=True)
    pdf_url = models.TextField(blank=True)
    issued_at = models.DateTimeField()
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="Due date; empty if a card is charged."
    )
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_invoice"),
            mirror_key("billing_invoice"),
            *tenant_links(
                "billing_invoice",
                [("customer", "projects.Customer"), ("subscription", "billing.Subscription")],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="invoice_by_customer"),
            models.Index(
                fields=["project", "subscription_stripe_id"], name="invoice_by_subscription"
            ),
            models.Index(fields=["project", "number"], name="invoice_by_number"),
            models.Index(fields=["project", "issued_at"], name="invoice_by_time"),
            models.Index(fields=["account", "stripe_id"], name="owner_by_invoice"),
        ]

    def __str__(self) -> str:
        return self.number or self.pk

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)


class InvoiceLine(ProjectOwned):
    """One line of an invoice."""

    id = PublicIdField(prefix="il")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="lines", db_constraint=False
    )
    stripe_id = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    price = models.ForeignKey(
        "billing.Price", on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False
    )
    unknown_price_stripe_id = models.CharField(
        max_length=255,
        default="",
        db_default="",
        editable=False,
        help_text="While the line's price is not mirrored.",
    )
    quantity = models.PositiveBigIntegerField(null=True)
    amount = models.BigIntegerField(help_text="Minor units, before discounts and taxes.")
    discount = models.BigIntegerField(default=0, help_text="Minor units.")
    billing_credits = models.BigIntegerField(
        default=0, db_default=0, help_text="Minor units, taken off by Stripe's credit grants."
    )
    tax = models.BigIntegerField(default=0, help_text="Minor units; exclusive taxes only.")
    currency = models.CharField(max_length=3)
    is_proration = models.BooleanField(default=False)
    is_credit = models.BooleanField(
        default=False, db_default=False, help_text="Gives back a part of what was billed before."
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_invoiceline"),
            models.UniqueConstraint(
                fields=["project", "invoice", "stripe_id"],
                name="billing_invoiceline_stripe_id_key",
            ),
            *tenant_links(
                "billing_invoiceline",
                [("invoice", "billing.Invoice"), ("price", "billing.Price")],
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "unknown_price_stripe_id"],
                condition=~models.Q(unknown_price_stripe_id=""),
                name="line_by_unknown_price",
            )
        ]

    def __str__(self) -> str:
        return self.description or self.stripe_id
