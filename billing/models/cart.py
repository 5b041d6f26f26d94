from datetime import datetime

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class CartStatus(models.TextChoices):
    """``frozen`` while a checkout of the cart is open; ``open`` again when that checkout
    expires."""

    OPEN = "open", "Open"
    FROZEN = "frozen", "Frozen"
    COMPLETED = "completed", "Completed"
    EXPIRED = "expired", "Expired"


class Cart(ProjectOwned):
    """Lines of one currency that a customer is about to buy, with at most one subscription.

    ``checkout`` is the one that froze the cart or in which it was bought.
    """

    id = PublicIdField(prefix="cart")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    status = models.CharField(max_length=12, choices=CartStatus.choices, default=CartStatus.OPEN)
    checkout = models.ForeignKey(
        "billing.Checkout",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    currency = models.CharField(
        max_length=3, blank=True, help_text="The currency of its first line."
    )
    metadata = models.JSONField(default=dict, blank=True)
    expires_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("billing_cart"),
            *tenant_links(
                "billing_cart",
                [("customer", "projects.Customer"), ("checkout", "billing.Checkout")],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="cart_by_customer"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status=CartStatus.OPEN),
                name="cart_by_expiry",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def status_at(self, at: datetime) -> CartStatus:
        """Return the status at this time. The stored one may be older than the cart's expiry."""
        if self.status == CartStatus.COMPLETED:
            return CartStatus.COMPLETED
        if self.status == CartStatus.FROZEN and self.checkout_id is not None:
            return CartStatus.FROZEN
        return CartStatus.EXPIRED if self.expires_at <= at else CartStatus.OPEN


class CartLine(ProjectOwned):
    """One price in a cart, with its quantity."""

    id = PublicIdField(prefix="crtl")
    cart = models.ForeignKey(
        Cart, on_delete=models.CASCADE, related_name="lines", db_constraint=False
    )
    price = models.ForeignKey(
        "billing.Price", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    quantity = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_cartline"),
            models.UniqueConstraint(
                fields=["project", "cart", "price"], name="billing_cartline_price_key"
            ),
            *tenant_links(
                "billing_cartline", [("cart", "billing.Cart"), ("price", "billing.Price")]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.price_id}"
