"""What selling and paying can come to, beside success and Stripe's own answers."""

from common.errors import Conflict, Invalid, Unavailable


class NotOnSale(Conflict):
    code, title = "not-on-sale", "The price or its product is archived."


class WrongPriceType(Invalid):
    code, title = "wrong-price-type", "These prices cannot be bought in this way."


class MixedCurrencies(Invalid):
    code, title = "mixed-currencies", "One checkout takes one currency."


class AmountTooLarge(Invalid):
    code, title = "amount-too-large", "The total is more than one charge can be."


class TypeNotSold(Conflict):
    code, title = "type-not-sold", "The project is not configured to sell this."


class AmbiguousOrder(Invalid):
    code, title = "ambiguous-order", "What is to be sold cannot be told from this request."


class CartFrozen(Conflict):
    code, title = "cart-frozen", "The cart cannot change while its checkout is open."


class CartClosed(Conflict):
    code, title = "cart-closed", "The cart was bought, or its time is over."


class CartEmpty(Conflict):
    code, title = "cart-empty", "There is nothing in the cart."


class PriceChanged(Conflict):
    code, title = "price-changed", "A price in the cart was replaced by another one."


class DiscountRefused(Conflict):
    code, title = "discount-refused", "This discount cannot be used here."


class TypedCodesNotOffered(Conflict):
    code, title = "typed-codes-not-offered", "Buyers cannot type codes on Stripe's pages here."


class PromotionCodeExists(Conflict):
    code, title = (
        "promotion-code-exists",
        "The project has an active promotion code with this text.",
    )


class ProductRequired(Conflict):
    code, title = "product-required", "The project has no product for the coupon."


class AlreadySubscribed(Conflict):
    code, title = "already-subscribed", "The customer already has this product."


class RedirectRefused(Invalid):
    code, title = "redirect-not-allowed", "Buyers may not be sent to this address."


class CheckoutNotOpen(Conflict):
    code, title = "checkout-not-open", "This checkout is not open any more."


class CheckoutNotReady(Unavailable):
    code, title = "checkout-not-ready", "Stripe has not yet answered for this checkout."


class SubscriptionEnded(Conflict):
    code, title = "subscription-ended", "This subscription has already ended."


class ReferenceReused(Conflict):
    code, title = "reference-reused", "The reference already names another payment."


class PaymentNotCancelable(Conflict):
    code, title = "payment-not-cancelable", "This payment cannot be canceled any more."


class NoPaymentMethod(Conflict):
    code, title = "no-payment-method", "The user has no such saved payment method."


class NothingToRefund(Conflict):
    code, title = "nothing-to-refund", "There is not that much left to refund."


class CreditedToBalance(Conflict):
    code, title = "credited-to-balance", "Part of this money is on the customer's balance already."


class RefundNotCancelable(Conflict):
    code, title = "refund-not-cancelable", "This refund cannot be canceled any more."


class NoDocument(Conflict):
    code, title = "no-document", "There is no PDF of this invoice."


class NothingToImport(Conflict):
    code, title = "nothing-to-import", "The project has no Stripe account of its own."


class IntentOver(Conflict):
    code, title = "intent-over", "The intent has already ended."


class IntentUnderWay(Conflict):
    code, title = "intent-under-way", "The intent is being tried right now."


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
    code, title = "subscription-ending", "The subscription ends with the running period."


class NothingScheduled(Conflict):
    code, title = "nothing-scheduled", "No change of this subscription is planned."


class NotPaused(Conflict):
    code, title = "not-paused", "The subscription is not paused."


class PortalNotAvailable(Conflict):
    """``reasons`` are those of `GET /portal/eligibility`."""

    code, title = "portal-not-available", "This user cannot be sent to the portal."


class AmbiguousSubscription(Conflict):
    """``products`` are those that the user is subscribed to."""

    code, title = "ambiguous-subscription", "The user has several subscriptions."


class CustomerHasSubscriptions(Conflict):
    """``subscriptions`` are those that are running."""

    code, title = "customer-has-subscriptions", "The customer still has running subscriptions."


class RolloutNotPlanned(Conflict):
    code, title = "rollout-not-planned", "It was applied or discarded before."


class RolloutOutOfDate(Conflict):
    code, title = "rollout-out-of-date", "The product has changed since the rollout was planned."


class OtherPrice(Conflict):
    code, title = "other-price", "The subscription pays another price."
