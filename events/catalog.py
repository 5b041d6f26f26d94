"""All event types that a project can receive; no other type can be recorded.

``docs/events.md``, the JSON Schemas and the AsyncAPI document are generated from this list and from
the bodies that the apps register (:mod:`events.bodies`).
"""

from django.db import models


class EventType(models.TextChoices):
    """Names follow ``noun.past-tense``; the noun is the kind of row that changed. The label says
    when the event is recorded."""

    CUSTOMER_CREATED = "customer.created", "A customer was created."
    CUSTOMER_UPDATED = "customer.updated", "A customer's fields were changed."
    CUSTOMER_DELETED = "customer.deleted", "A customer was erased. Only our id of it remains."

    CART_COMPLETED = "cart.completed", "What is in a cart was bought and paid."
    CART_EXPIRED = "cart.expired", "A cart was not bought in time. It can no longer be changed."

    CHECKOUT_COMPLETED = "checkout.completed", "The buyer finished a hosted page."
    CHECKOUT_PAID = (
        "checkout.paid",
        "A finished page is paid, or has nothing to pay: at once, or when a bank debit succeeds.",
    )
    CHECKOUT_PAYMENT_FAILED = (
        "checkout.payment_failed",
        "A finished page will not be paid: its bank debit failed, or its payment was canceled.",
    )
    CHECKOUT_EXPIRED = "checkout.expired", "A hosted page closed before the buyer finished it."
    CHECKOUT_LINE_FULFILLED = (
        "checkout_line.fulfilled",
        "A line of a page is paid: deliver what it sells.",
    )
    CHECKOUT_LINE_REVOKED = (
        "checkout_line.revoked",
        "What a line sells was taken back, such as after a refund or a lost dispute.",
    )
    CHECKOUT_LINE_RESTORED = (
        "checkout_line.restored",
        "What a line sells was given again: a refund failed, or a dispute was won.",
    )

    PAYMENT_CREATED = "payment.created", "A payment was created; nothing is paid yet."
    PAYMENT_UPDATED = (
        "payment.updated",
        "A payment changed in a way without an event of its own, such as: its invoice is known.",
    )
    PAYMENT_REQUIRES_ACTION = (
        "payment.requires_action",
        "The buyer must confirm the payment with the bank, also if it was made without the buyer.",
    )
    PAYMENT_PROCESSING = (
        "payment.processing",
        "The payment is under way, mostly at the bank; the result may take days.",
    )
    PAYMENT_PAID = "payment.paid", "The payment succeeded."
    PAYMENT_FAILED = "payment.failed", "An attempt to pay failed. The buyer may try again."
    PAYMENT_EXPIRED = "payment.expired", "The payment was not made in time and can no longer be."
    PAYMENT_CANCELED = "payment.canceled", "The payment was canceled before it was made."
    PAYMENT_REFUNDED = "payment.refunded", "A refund of the payment was created."
    PAYMENT_REFUND_SUCCEEDED = (
        "payment.refund_succeeded",
        "A refund succeeded: the money is on its way to the buyer.",
    )
    PAYMENT_REFUND_FAILED = (
        "payment.refund_failed",
        "A refund failed, perhaps days after it succeeded: the buyer has not got the money.",
    )
    PAYMENT_DISPUTED = "payment.disputed", "The buyer disputed the payment at the bank."
    PAYMENT_DISPUTE_UPDATED = (
        "payment.dispute_updated",
        "A dispute that is open changed: its status, reason, amount or deadline for evidence.",
    )
    PAYMENT_DISPUTE_CLOSED = "payment.dispute_closed", "A dispute of the payment was won or lost."
    PAYMENT_FRAUD_WARNING = (
        "payment.fraud_warning",
        "The card's issuer suspects that the payment is fraud.",
    )

    SUBSCRIPTION_CREATED = "subscription.created", "A subscription was created."
    SUBSCRIPTION_UPDATED = "subscription.updated", "A subscription changed in any way."
    SUBSCRIPTION_RENEWED = "subscription.renewed", "A new period began and is paid."
    SUBSCRIPTION_TRIAL_ENDING = "subscription.trial_ending", "A trial ends within three days."
    SUBSCRIPTION_PAST_DUE = "subscription.past_due", "A renewal could not be collected."
    SUBSCRIPTION_PAUSED = "subscription.paused", "Collection was paused."
    SUBSCRIPTION_RESUMED = "subscription.resumed", "Collection was resumed."
    SUBSCRIPTION_CANCELED = "subscription.canceled", "A subscription has ended."

    INVOICE_DRAFTED = (
        "invoice.drafted",
        "A draft of an invoice was created: nobody owes it yet, and its amounts may change.",
    )
    INVOICE_FINALIZED = (
        "invoice.finalized",
        "An invoice was finalized: its amounts are final, and it can be paid.",
    )
    INVOICE_UPDATED = (
        "invoice.updated",
        "An invoice changed in a way without an event of its own, such as its due date.",
    )
    INVOICE_PAID = "invoice.paid", "An invoice was paid."
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed", "An attempt to pay an invoice failed."
    INVOICE_CREDITED = (
        "invoice.credited",
        "A credit note was issued: less is owed for the invoice, or money of it goes back.",
    )
    INVOICE_CREDIT_NOTE_VOIDED = (
        "invoice.credit_note_voided",
        "A credit note of an invoice was voided: it counts no more.",
    )
    INVOICE_VOIDED = "invoice.voided", "An invoice was voided: nobody owes it any more."
    INVOICE_UNCOLLECTIBLE = (
        "invoice.uncollectible",
        "An invoice was given up as uncollectible.",
    )

    FEATURE_CREATED = "feature.created", "A feature was created."
    FEATURE_UPDATED = "feature.updated", "A feature's name or unit changed, or it was restored."
    FEATURE_ARCHIVED = (
        "feature.archived",
        "A feature was archived: new grants and products cannot use it. Its holders keep it.",
    )

    FREE_TIER_UPDATED = (
        "free_tier.updated",
        "The features that every user has without a purchase changed.",
    )

    METER_CREATED = "meter.created", "A meter was created."
    METER_UPDATED = "meter.updated", "A meter's name or unit changed, or it was restored."
    METER_ARCHIVED = "meter.archived", "A meter was archived: it takes no new records."

    ENTITLEMENTS_CHANGED = (
        "entitlements.changed",
        "What a user may do has changed: at least one decision differs from the last event's.",
    )
    USER_PERMISSIONS_CHANGED = (
        "user.permissions_changed",
        "The permissions that a user has by the project's permission map have changed.",
    )

    GRANT_CREATED = "grant.created", "A feature or product was granted by hand."
    GRANT_REVOKED = "grant.revoked", "A grant was revoked."
    GRANT_EXPIRED = "grant.expired", "A grant reached its end."

    USAGE_THRESHOLD_REACHED = "usage.threshold_reached", "80 % of a limit is used."
    USAGE_LIMIT_REACHED = "usage.limit_reached", "A limit is used up."
    USAGE_VOIDED = "usage.voided", "A usage record was voided: it no longer counts."
    USAGE_CORRECTED = (
        "usage.corrected",
        "A usage record was replaced by one with another value: see `corrects`.",
    )
    USAGE_REFUSED = (
        "usage.refused",
        "Stripe does not count reported usage, so it will not be billed: money is lost.",
    )
    USAGE_VOID_REFUSED = (
        "usage.void_refused",
        "Stripe bills usage although it was voided: give the customer a credit.",
    )
    USAGE_EXPIRED = (
        "usage.expired",
        "Usage was too old when its customer was created at Stripe, so it will not be billed.",
    )

    RESERVATION_EXPIRED = (
        "reservation.expired",
        "A reservation was neither committed nor released in time: its amount is free again.",
    )

    CREDITS_GRANTED = (
        "credits.granted",
        "Credits were given: by hand, with a purchase or a paid period, or after a failed refund.",
    )
    CREDITS_UPDATED = (
        "credits.updated",
        "What is due of a grant of credits, its expiry or its status changed; no credits moved.",
    )
    CREDITS_WITHHELD = (
        "credits.withheld",
        "Credits cannot be spent now: their payment is disputed or overdue, or they are paused.",
    )
    CREDITS_RESTORED = "credits.restored", "Withheld credits can be spent again."
    CREDITS_REVOKED = (
        "credits.revoked",
        "Credits were taken back, by hand or because they are no longer paid.",
    )
    CREDITS_EXPIRED = "credits.expired", "What was left of a grant of credits has expired."
    CREDITS_LOW = "credits.low", "A balance of credits fell to its low mark."
    CREDITS_EXHAUSTED = "credits.exhausted", "A balance of credits is used up."

    PRODUCT_CREATED = "product.created", "A product was created."
    PRODUCT_UPDATED = (
        "product.updated",
        "A product changed: a text, metadata, what it gives, a policy, or it is on sale again.",
    )
    PRODUCT_ARCHIVED = "product.archived", "A product was taken off sale. Its holders keep it."

    PRICE_CREATED = "price.created", "A price was created."
    PRICE_UPDATED = "price.updated", "A price's text or metadata changed, or it is on sale again."
    PRICE_ARCHIVED = "price.archived", "A price was taken off sale. Its subscribers keep it."

    COUPON_CREATED = "coupon.created", "A coupon was created."
    COUPON_UPDATED = "coupon.updated", "A coupon changed, was redeemed, or is no longer valid."
    COUPON_DELETED = "coupon.deleted", "A coupon was deleted. Discounts that it gave stay."

    PROMOTION_CODE_CREATED = "promotion_code.created", "A promotion code was created."
    PROMOTION_CODE_UPDATED = (
        "promotion_code.updated",
        "A promotion code was opened, closed or redeemed, or its metadata changed.",
    )

    ROLLOUT_STARTED = (
        "rollout.started",
        "A change of a product began to be applied to its holders.",
    )
    ROLLOUT_COMPLETED = (
        "rollout.completed",
        "A rollout has ended. Its data counts the holders and subscriptions that failed.",
    )
    ROLLOUT_SUPERSEDED = (
        "rollout.superseded",
        "A rollout ended because a newer change of the product is applied to all holders.",
    )

    STRIPE_CUSTOMER_DELETED = (
        "stripe_customer.deleted",
        "A customer was deleted at Stripe, not by us. Stripe ends the customer's subscriptions.",
    )
    STRIPE_CUSTOMER_BALANCE_CHANGED = (
        "stripe_customer.balance_changed",
        "The billing balance of a customer at Stripe changed.",
    )
    STRIPE_CUSTOMER_DELINQUENT = (
        "stripe_customer.delinquent",
        "A customer became delinquent: the latest invoice charge failed.",
    )
    STRIPE_CUSTOMER_DELINQUENCY_ENDED = (
        "stripe_customer.delinquency_ended",
        "A customer is no longer delinquent.",
    )

    STRIPE_OBJECT_PARKED = (
        "stripe_object.parked",
        "An object at Stripe could not be stored: our copy is out of date. See reason.",
    )
    STRIPE_OBJECT_RECOVERED = (
        "stripe_object.recovered",
        "Our copy of an object that was parked is up to date again.",
    )

    STRIPE_WRITE_PARKED = (
        "stripe_write.parked",
        "The result of a write at Stripe is not known, and an operator has to decide about it.",
    )
    STRIPE_WRITE_GIVEN_UP = (
        "stripe_write.given_up",
        "An operator has given up a write at Stripe: it will not be sent again.",
    )

    STRIPE_ACCOUNT_KEY_REFUSED = (
        "stripe_account.key_refused",
        "Stripe no longer accepts the secret key of the project's own account. Replace the key.",
    )
    STRIPE_ACCOUNT_KEY_ACCEPTED = (
        "stripe_account.key_accepted",
        "Stripe accepts the secret key of the project's own account again.",
    )

    PROJECT_UPDATED = "project.updated", "The project's settings were changed."
    PROJECT_SUSPENDED = (
        "project.suspended",
        "An operator suspended the project: its keys and its users' tokens are refused.",
    )
    PROJECT_RESUMED = "project.resumed", "The suspension of the project ended."

    MAIL_UNDELIVERABLE = (
        "mail.undeliverable",
        "A message came back, to a customer or to your people: the address gets no more mail.",
    )

    WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created", "A webhook endpoint was created."
    WEBHOOK_ENDPOINT_UPDATED = (
        "webhook_endpoint.updated",
        "A webhook endpoint's settings or secrets were changed, or it was enabled again.",
    )
    WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted", "A webhook endpoint was deleted."
    WEBHOOK_ENDPOINT_FAILING = (
        "webhook_endpoint.failing",
        "No delivery to a webhook endpoint has succeeded for an hour, a day or four days.",
    )
    WEBHOOK_ENDPOINT_RECOVERED = (
        "webhook_endpoint.recovered",
        "A delivery succeeded to a webhook endpoint that was failing.",
    )
    WEBHOOK_ENDPOINT_DISABLED = (
        "webhook_endpoint.disabled",
        "A webhook endpoint was disabled. Enabled again, it gets all that happened meanwhile.",
    )
    WEBHOOK_ENDPOINT_TESTED = (
        "webhook_endpoint.tested",
        "A test of a webhook endpoint, sent to no other one.",
    )

    APP_CREATED = "app.created", "A micro-app was created."
    APP_UPDATED = "app.updated", "A micro-app was renamed, or it was restored."
    APP_ARCHIVED = "app.archived", "A micro-app was archived: its keys are refused."

    API_KEY_CREATED = (
        "api_key.created",
        "A key was issued: by another key, by an operator, or to replace one.",
    )
    API_KEY_ROTATED = (
        "api_key.rotated",
        "A key was replaced by another one. It works until its `expires_at`.",
    )
    API_KEY_REVOKED = "api_key.revoked", "A key was revoked and is refused from now on."

    @property
    def noun(self) -> str:
        """The kind of row that changed: ``payment``."""
        return self.value.partition(".")[0]


def matching(name: str) -> set[str]:
    """The types that a filter means: one type, or ``payment.*`` for all of a noun; none for an
    unknown name."""
    noun, _, verb = name.partition(".")
    if verb == "*":
        return {each.value for each in EventType if each.noun == noun}
    return {name} & set(EventType.values)
