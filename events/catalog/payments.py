"""Events of payments, with their refunds and disputes."""

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
