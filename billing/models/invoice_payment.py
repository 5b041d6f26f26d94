from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links

PROCESSING = "processing"


class InvoicePayment(ProjectOwned):
    """A payment of an invoice, and how much of the invoice it pays.

    ``status`` is in Stripe's words, or ``processing`` while a bank has not answered yet.
    ``payment`` is empty while the PaymentIntent is not mirrored, and for money that came without
    one.
    """

    id = PublicIdField(prefix="inpay")
    invoice = models.ForeignKey(
        "billing.Invoice", on_delete=models.CASCADE, related_name="payments", db_constraint=False
    )
    stripe_id = models.CharField(max_length=255)
    payment = models.ForeignKey(
        "billing.Payment",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoice_payments",
        db_constraint=False,
    )
    payment_stripe_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    amount_requested = models.BigIntegerField(help_text="Minor units.")
    amount_paid = models.BigIntegerField(default=0, help_text="Minor units.")

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_invoicepayment"),
            models.UniqueConstraint(
                fields=["project", "invoice", "stripe_id"],
                name="billing_invoicepayment_stripe_id_key",
            ),
            *tenant_links(
                "billing_invoicepayment",
                [("invoice", "billing.Invoice"), ("payment", "billing.Payment")],
            ),
        ]
        indexes = [models.Index(fields=["project", "payment_stripe_id"], name="invoice_by_payment")]

    def __str__(self) -> str:
        return f"{self.payment_stripe_id} ({self.status})"
