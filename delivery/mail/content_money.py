"""Messages about payments, invoices and refunds."""

from typing import Any

from billing.invoices import selectors as invoices
from billing.models import Checkout, Invoice, Payment
from billing.models.checkout import CheckoutStatus
from billing.models.invoice import OPEN
from billing.models.payment import PaymentStatus, PaymentType
from billing.payments.selectors import payments
from common.errors import NotFound
from common.money import Money
from common.times import parse
from delivery.mail.content import Content, EventFacts, NotificationFacts, Overtaken, amount, data_of
from projects.models import Project

SOLD_TYPES = frozenset({PaymentType.ITEM, PaymentType.CART, PaymentType.INTENT})
MAX_LINES = 10
"""Lines of an invoice that a receipt lists."""


def has_paid_amount(event: EventFacts) -> bool:
    """Whether money was paid: a trial begins with an invoice of nothing."""
    return bool(event.data["amount_paid"]["amount"])


def is_sale_without_invoice(event: EventFacts) -> bool:
    """Whether the project sold something with the payment, and no invoice of it is known yet."""
    is_sale = event.data["checkout"] is not None or event.data["type"] in SOLD_TYPES
    return is_sale and event.data["invoice"] is None


def is_of_checkout(event: EventFacts) -> bool:
    return event.data["checkout"] is not None and event.data["invoice"] is None


def receipt_of_invoice(facts: NotificationFacts) -> Content:
    data = data_of(facts)
    lines = data["lines"][:MAX_LINES]
    return Content(
        {
            "number": data["number"] or "",
            "amount": amount(data["amount_paid"]),
            "date": parse(data["paid_at"] or data["issued_at"]),
            "lines": [
                {"label": line["description"], "amount": amount(line["amount"])} for line in lines
            ],
        },
        link=data["hosted_url"] or data["pdf_url"] or "",
    )


def receipt_of_payment(facts: NotificationFacts) -> Content:
    data = data_of(facts)
    payment = _payment(facts)
    if _has_invoice(payment):
        raise Overtaken("invoice_has_receipt")
    date = parse(data["paid_at"] or data["created_at"])
    return Content(_purchase(payment) | {"date": date})


def failed_invoice(facts: NotificationFacts) -> Content:
    invoice = _invoice(facts)
    if invoice.status != OPEN or not invoice.hosted_url:
        raise Overtaken(f"invoice_{invoice.status}")
    content: dict[str, Any] = {
        "number": invoice.number,
        "amount": Money(invoice.amount_remaining, invoice.currency),
    }
    if invoice.next_attempt_at is not None:
        content["next_attempt"] = invoice.next_attempt_at
    return Content(content, link=invoice.hosted_url)


def failed_checkout(facts: NotificationFacts) -> Content:
    payment = _payment(facts)
    checkout = _checkout(payment)
    if payment.status != PaymentStatus.FAILED:
        raise Overtaken(f"payment_{payment.status}")
    is_open = checkout is not None and checkout.status == CheckoutStatus.OPEN
    if checkout is None or not is_open or not checkout.url:
        raise Overtaken("checkout_closed")
    if checkout.expires_at is not None and checkout.expires_at <= facts.at:
        raise Overtaken("checkout_expired")
    return Content(_purchase(payment), link=checkout.url)


def expired_payment(facts: NotificationFacts) -> Content:
    payment = _payment(facts)
    if payment.status not in (PaymentStatus.EXPIRED, PaymentStatus.CANCELED):
        raise Overtaken(f"payment_{payment.status}")
    return Content(_purchase(payment))


def refund(facts: NotificationFacts) -> Content:
    """The amount that this event added, and the total."""
    data = data_of(facts)
    assert facts.event is not None
    total = amount(data["amount_refunded"])
    before = facts.event.previous.get("amount_refunded")
    refunded = total - amount(before) if before else total
    if refunded.amount <= 0:
        raise Overtaken("nothing_refunded")
    return Content(_purchase(_payment(facts)) | {"refunded": refunded, "total_refunded": total})


def _purchase(payment: Payment) -> dict[str, Any]:
    """What was bought: in the project's words, else the products of the page."""
    checkout = _checkout(payment)
    return {
        "amount": Money(payment.amount, payment.currency),
        "description": payment.description or (_products(checkout) if checkout else ""),
        "reference": payment.reference,
    }


def _products(checkout: Checkout) -> str:
    lines = checkout.lines.select_related("price__product")
    return ", ".join(f"{line.quantity} × {line.price.product.name}" for line in lines)


def _payment(facts: NotificationFacts) -> Payment:
    try:
        return payments.get(project=facts.project_id, payment_id=facts.subject)
    except NotFound:
        raise Overtaken("payment_gone") from None


def _invoice(facts: NotificationFacts) -> Invoice:
    try:
        return invoices.get(project=Project(pk=facts.project_id), invoice_id=facts.subject)
    except NotFound:
        raise Overtaken("invoice_gone") from None


def _checkout(payment: Payment) -> Checkout | None:
    return payment.checkout if payment.checkout_id else None


def _has_invoice(payment: Payment) -> bool:
    checkout = _checkout(payment)
    return payment.invoice_payments.exists() or bool(
        payment.invoice_stripe_id or (checkout and checkout.invoice_stripe_id)
    )
