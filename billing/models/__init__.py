"""The tables of billing, one noun per file. They lie below all rooms because foreign keys cross
rooms."""

from billing.models.analytics_progress import AnalyticsProgress
from billing.models.cart import Cart, CartLine
from billing.models.checkout import Checkout, CheckoutLine
from billing.models.coupon import Coupon, PromotionCode
from billing.models.credit_note import CreditNote
from billing.models.dispute import Dispute
from billing.models.drift_report import DriftPolicy, DriftReport
from billing.models.early_fraud_warning import EarlyFraudWarning
from billing.models.import_progress import ImportProgress
from billing.models.invoice import Invoice, InvoiceLine
from billing.models.invoice_payment import InvoicePayment
from billing.models.missing_object import MissingObject
from billing.models.payment import Payment
from billing.models.portal import PortalConfiguration, PortalSettings
from billing.models.price import Price
from billing.models.product import Product
from billing.models.product_feature import ProductFeature
from billing.models.reconcile_run import ReconcileRun, ReconcileSighting
from billing.models.reconciliation import Reconciliation
from billing.models.refund import Refund
from billing.models.revenue_day import RevenueDay
from billing.models.rollout import Rollout, RolloutMove
from billing.models.stripe_account import StripeAccount, StripeEndpoint
from billing.models.stripe_customer import StripeCustomer
from billing.models.stripe_intent import StripeIntent
from billing.models.stripe_meter import StripeMeter
from billing.models.subscription import Subscription, SubscriptionItem
from billing.models.subscription_day import SubscriptionDay
from billing.models.subscription_span import SubscriptionSpan
from billing.models.sync_object import SyncObject

__all__ = [
    "AnalyticsProgress",
    "Cart",
    "CartLine",
    "Checkout",
    "CheckoutLine",
    "Coupon",
    "CreditNote",
    "Dispute",
    "DriftPolicy",
    "DriftReport",
    "EarlyFraudWarning",
    "ImportProgress",
    "Invoice",
    "InvoiceLine",
    "InvoicePayment",
    "MissingObject",
    "Payment",
    "PortalConfiguration",
    "PortalSettings",
    "Price",
    "Product",
    "ProductFeature",
    "PromotionCode",
    "ReconcileRun",
    "ReconcileSighting",
    "Reconciliation",
    "Refund",
    "RevenueDay",
    "Rollout",
    "RolloutMove",
    "StripeAccount",
    "StripeCustomer",
    "StripeEndpoint",
    "StripeIntent",
    "StripeMeter",
    "Subscription",
    "SubscriptionDay",
    "SubscriptionItem",
    "SubscriptionSpan",
    "SyncObject",
]
