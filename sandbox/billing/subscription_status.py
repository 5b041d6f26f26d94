"""What the fate of an invoice does to its subscription: the status follows the latest invoice."""

from __future__ import annotations

from sandbox.billing import billing_settings, cancellation, invoices, pending_updates
from sandbox.objects import Object
from sandbox.resources import payment_methods
from sandbox.transaction import Transaction

OWING = ("past_due", "unpaid")


def after_payment(tx: Transaction, invoice: Object, intent: Object | None) -> None:
    """The invoice is paid: begin, or recover."""
    subscription = invoices.subscription_of(tx, invoice)
    if subscription is None:
        return
    news = None
    with tx.updating(subscription, *revision(tx, subscription)):
        if pending_updates.waits_for(tx, subscription, invoice):
            news = pending_updates.apply(tx, subscription)
        elif subscription["status"] == "incomplete" and _is_first(invoice):
            subscription["status"] = "active"
            if intent:
                _keep_method(tx, subscription, intent)
        else:
            follow_latest(tx, subscription)
    if news:
        tx.emit(news, subscription)


def after_debit(tx: Transaction, invoice: Object, intent: Object) -> None:
    """A debit for the invoice was sent: a beginning does not wait for the bank's answer."""
    subscription = invoices.subscription_of(tx, invoice)
    if subscription and subscription["status"] == "incomplete" and _is_first(invoice):
        with tx.updating(subscription, *revision(tx, subscription)):
            subscription["status"] = "active"
            _keep_method(tx, subscription, intent)


def after_failure(tx: Transaction, invoice: Object, *, gives_up: bool) -> None:
    """A payment failed: owe; after the last retry do what the account's settings say."""
    subscription = invoices.subscription_of(tx, invoice)
    if subscription is None or subscription["status"] in ("incomplete", *cancellation.ENDED):
        return
    policy = billing_settings.read(tx)["after_retries"]
    if gives_up and policy == "cancel":
        cancellation.cancel(tx, subscription, reason="payment_failed")
        return
    with tx.updating(subscription, *revision(tx, subscription)):
        if gives_up and policy == "mark_unpaid":
            subscription["status"] = "unpaid"
        elif subscription["status"] == "active":
            subscription["status"] = "past_due"


def after_closing(tx: Transaction, invoice: Object) -> None:
    """The invoice was voided or written off: the one before decides."""
    subscription = invoices.subscription_of(tx, invoice)
    if subscription is None:
        return
    if pending_updates.waits_for(tx, subscription, invoice):
        pending_updates.drop(tx, subscription)
    if subscription["status"] == "incomplete" and invoice["status"] == "void":
        cancellation.expire(tx, subscription)
        return
    with tx.updating(subscription, "customer.subscription.updated"):
        follow_latest(tx, subscription)


def follow_latest(tx: Transaction, subscription: Object) -> None:
    """Stop owing if the most recent invoice that was not voided is settled."""
    if subscription["status"] not in OWING:
        return
    counted = [
        invoice
        for invoice in invoices.of_subscription(tx, subscription["id"])
        if invoice["status"] in ("open", "paid", "uncollectible")
    ]
    if not counted or not _is_owed(tx, counted[-1]):
        subscription["status"] = "active"


def falls_due(subscription: Object | None, invoice: Object, status: str) -> bool:
    """Whether an invoice that was sent decides about its subscription, which has this status."""
    return bool(
        subscription
        and subscription["status"] == status
        and invoice["status"] == "open"
        and invoice["due_date"] is not None
        and subscription["latest_invoice"] == invoice["id"]
    )


def become_past_due(tx: Transaction, invoice: Object) -> None:
    """The due date of an invoice that was sent has passed."""
    subscription = invoices.subscription_of(tx, invoice)
    assert subscription, "only what a subscription sends falls due"
    with tx.updating(subscription, *revision(tx, subscription)):
        subscription["status"] = "past_due"


def give_up_overdue(tx: Transaction, invoice: Object) -> None:
    """An invoice that was sent is overdue for as long as the account's settings allow."""
    subscription = invoices.subscription_of(tx, invoice)
    assert subscription, "only what a subscription sends falls due"
    if billing_settings.read(tx)["after_overdue"] == "cancel":
        cancellation.cancel(tx, subscription, reason="payment_failed")
        return
    with tx.updating(subscription, *revision(tx, subscription)):
        subscription["status"] = "unpaid"


def _is_owed(tx: Transaction, invoice: Object) -> bool:
    due = invoice["due_date"]
    return bool(invoice["status"] == "open" and (due is None or due <= tx.now))


def revision(tx: Transaction, subscription: Object) -> list[str]:
    """``customer.subscription.updated``, unless its creation is yet to be announced."""
    return ["customer.subscription.updated"] if tx.stored(subscription) else []


def _is_first(invoice: Object) -> bool:
    return bool(invoice["billing_reason"] == "subscription_create")


def _keep_method(tx: Transaction, subscription: Object, intent: Object) -> None:
    """``save_default_payment_method``: later invoices use the card of the first one."""
    wanted = subscription["payment_settings"]["save_default_payment_method"]
    if wanted == "on_subscription" and intent["payment_method"]:
        method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
        payment_methods.attach_to(tx, method, subscription["customer"])
        subscription["default_payment_method"] = method["id"]
