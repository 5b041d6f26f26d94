"""Events of subscriptions and invoices."""

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
    "An invoice changed in a way without an event of its own. Such as: its payment is known.",
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
