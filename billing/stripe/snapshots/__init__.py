"""Snapshots: Stripe's objects in our words, frozen, complete and independent of the SDK.

Amounts are minor units, times are aware and in UTC, ``metadata`` is the tenant's own. ``our_id`` is
the id of our row that the object's metadata names: a claim, not a proof. A status that Stripe adds
in future is kept as the string that it is.
"""

from billing.stripe.snapshots.accounts import (
    AccountSnapshot,
    EventSnapshot,
)
from billing.stripe.snapshots.base import (
    StripeSnapshot,
    UnreadableObject,
)
from billing.stripe.snapshots.catalog import (
    CouponSnapshot,
    PriceSnapshot,
    ProductSnapshot,
    PromotionCodeSnapshot,
)
from billing.stripe.snapshots.checkouts import (
    CheckoutLineSnapshot,
    CheckoutSnapshot,
)
from billing.stripe.snapshots.customers import (
    CustomerSnapshot,
)
from billing.stripe.snapshots.invoices import (
    CreditNoteSnapshot,
    InvoiceDiscountSnapshot,
    InvoiceLineSnapshot,
    InvoicePaymentSnapshot,
    InvoiceSnapshot,
    TaxSnapshot,
)
from billing.stripe.snapshots.payments import (
    REFUND_GONE,
    DisputeSnapshot,
    FraudWarningSnapshot,
    PaymentSnapshot,
    RefundLineSnapshot,
    RefundSnapshot,
)
from billing.stripe.snapshots.subscriptions import (
    DiscountSnapshot,
    ScheduledItemSnapshot,
    SubscriptionItemSnapshot,
    SubscriptionSnapshot,
)

__all__ = [
    "REFUND_GONE",
    "AccountSnapshot",
    "CheckoutLineSnapshot",
    "CheckoutSnapshot",
    "CouponSnapshot",
    "CreditNoteSnapshot",
    "CustomerSnapshot",
    "DiscountSnapshot",
    "DisputeSnapshot",
    "EventSnapshot",
    "FraudWarningSnapshot",
    "InvoiceDiscountSnapshot",
    "InvoiceLineSnapshot",
    "InvoicePaymentSnapshot",
    "InvoiceSnapshot",
    "PaymentSnapshot",
    "PriceSnapshot",
    "ProductSnapshot",
    "PromotionCodeSnapshot",
    "RefundLineSnapshot",
    "RefundSnapshot",
    "ScheduledItemSnapshot",
    "StripeSnapshot",
    "SubscriptionItemSnapshot",
    "SubscriptionSnapshot",
    "TaxSnapshot",
    "UnreadableObject",
]
