"""Errors of buying and paying, apart from those of Stripe."""

from common.errors import Conflict, Invalid, Unavailable


class NotOnSale(Conflict):
    code, title = "not-on-sale", "The price or its product is archived."


class WrongPriceType(Invalid):
    code, title = "wrong-price-type", "These prices cannot be bought in this way."


class MixedCurrencies(Invalid):
    code, title = "mixed-currencies", "One checkout takes one currency."


class AmountTooLarge(Invalid):
    code, title = "amount-too-large", "The total exceeds the largest possible charge."


class TypeNotSold(Conflict):
    code, title = "type-not-sold", "The project is not configured to sell this."


class AmbiguousOrder(Invalid):
    code, title = "ambiguous-order", "The request does not say clearly what is to be sold."


class CartFrozen(Conflict):
    code, title = "cart-frozen", "The cart cannot change while its checkout is open."


class CartClosed(Conflict):
    code, title = "cart-closed", "The cart was bought or has expired."


class CartEmpty(Conflict):
    code, title = "cart-empty", "The cart is empty."


class PriceChanged(Conflict):
    code, title = "price-changed", "A price in the cart was replaced by another one."


class DiscountRefused(Conflict):
    code, title = "discount-refused", "This discount cannot be used here."


class TypedCodesNotOffered(Conflict):
    code, title = "typed-codes-not-offered", "Buyers cannot type codes on Stripe's pages here."


class PromotionCodeExists(Conflict):
    code, title = "promotion-code-exists", "The project already has this active promotion code."


class ProductRequired(Conflict):
    code, title = "product-required", "A coupon needs at least one product."


class AlreadySubscribed(Conflict):
    code, title = "already-subscribed", "The customer already has this product."


class RedirectRefused(Invalid):
    code, title = "redirect-not-allowed", "The redirect address is not allowed."


class CheckoutNotOpen(Conflict):
    code, title = "checkout-not-open", "This checkout is no longer open."


class CheckoutNotReady(Unavailable):
    code, title = "checkout-not-ready", "Stripe has not yet answered for this checkout."


class SubscriptionEnded(Conflict):
    code, title = "subscription-ended", "This subscription has already ended."


class ReferenceReused(Conflict):
    code, title = "reference-reused", "The reference already names another payment."


class PaymentNotCancelable(Conflict):
    code, title = "payment-not-cancelable", "This payment can no longer be canceled."


class NoPaymentMethod(Conflict):
    code, title = "no-payment-method", "The user has no such saved payment method."


class NothingToRefund(Conflict):
    code, title = "nothing-to-refund", "The amount is more than can still be refunded."


class CreditedToBalance(Conflict):
    code, title = "credited-to-balance", "Part of this money is on the customer's balance already."


class RefundNotCancelable(Conflict):
    code, title = "refund-not-cancelable", "This refund can no longer be canceled."


class NoDocument(Conflict):
    code, title = "no-document", "There is no PDF of this invoice."


class NothingToImport(Conflict):
    code, title = "nothing-to-import", "The project has no Stripe account of its own."


class IntentOver(Conflict):
    code, title = "intent-over", "The request to Stripe has already ended."


class IntentUnderWay(Conflict):
    code, title = "intent-under-way", "The request to Stripe is being sent right now."


class ValueDoesNotFit(Invalid):
    code, title = "value-does-not-fit", "The value does not fit the kind of the feature."


class MeterNotBillable(Conflict):
    code, title = "meter-not-billable", "A price cannot bill this meter."


class AccountInUse(Conflict):
    code, title = "account-in-use", "The project already sells through another Stripe account."


class WrongStripeAccount(Conflict):
    code, title = "wrong-stripe-account", "The key belongs to another Stripe account or mode."


class OtherCurrency(Invalid):
    code, title = "other-currency", "The subscription is paid in another currency."


class SubscriptionNotRunning(Conflict):
    code, title = "subscription-not-running", "The subscription cannot be changed in this state."


class PaymentOverdue(Conflict):
    code, title = "payment-overdue", "An invoice of this subscription is not paid."


class ChangeNotAllowed(Conflict):
    code, title = "change-not-allowed", "The project does not let its users make this change."


class SubscriptionEnding(Conflict):
    code, title = "subscription-ending", "The subscription ends with the current period."


class NothingScheduled(Conflict):
    code, title = "nothing-scheduled", "No change of this subscription is planned."


class NotPaused(Conflict):
    code, title = "not-paused", "The subscription is not paused."


class PortalNotAvailable(Conflict):
    """``reasons`` as in `GET /portal/eligibility`."""

    code, title = "portal-not-available", "This user cannot be sent to the portal."


class AmbiguousSubscription(Conflict):
    """``products`` are the products of the user's subscriptions."""

    code, title = "ambiguous-subscription", "The user has several subscriptions."


class CustomerHasSubscriptions(Conflict):
    """``subscriptions`` are the running subscriptions."""

    code, title = "customer-has-subscriptions", "The customer still has running subscriptions."


class RolloutNotPlanned(Conflict):
    code, title = "rollout-not-planned", "The rollout was already applied or discarded."


class RolloutOutOfDate(Conflict):
    code, title = (
        "rollout-out-of-date",
        "The product has changed since the rollout was planned.",
    )


class OtherPrice(Conflict):
    code, title = "other-price", "The subscription has another price."
