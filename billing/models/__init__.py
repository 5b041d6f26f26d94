from billing.models.checkout import Checkout, CheckoutLine
from billing.models.invoice import Invoice, InvoiceLine
from billing.models.payment import Payment
from billing.models.price import Price
from billing.models.product import Product
from billing.models.product_feature import ProductFeature
from billing.models.refund import Refund
from billing.models.stripe_account import StripeAccount, StripeEndpoint
from billing.models.stripe_customer import StripeCustomer
from billing.models.subscription import Subscription, SubscriptionItem
from billing.models.sync_object import SyncObject

__all__ = [
    "Checkout",
    "CheckoutLine",
    "Invoice",
    "InvoiceLine",
    "Payment",
    "Price",
    "Product",
    "ProductFeature",
    "Refund",
    "StripeAccount",
    "StripeCustomer",
    "StripeEndpoint",
    "Subscription",
    "SubscriptionItem",
    "SyncObject",
]
