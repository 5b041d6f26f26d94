"""Events of customers, carts and hosted pages."""

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
