"""Events of objects at Stripe that need attention."""

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
