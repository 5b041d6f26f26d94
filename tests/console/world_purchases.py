"""Create purchases with their invoices, payments, refunds and disputes."""

from datetime import datetime

from billing.models import (
    Cart,
    CartLine,
    Checkout,
    CheckoutLine,
    CreditNote,
    Dispute,
    EarlyFraudWarning,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    Payment,
    Price,
    Refund,
    StripeAccount,
    Subscription,
    SubscriptionItem,
)
from projects.models import Customer
from tests.console.world_catalog import DAY, new_stripe_id


def create_purchase(
    customer: Customer, account: StripeAccount, price: Price, name: str, now: datetime, number: int
) -> tuple[Subscription, Invoice, Payment, Refund, Checkout]:
    """A subscription with its invoice, one checkout, and one payment that was partly refunded."""
    subscription = _create_subscription(customer, account, price, name, now, number)
    invoice = _create_invoice(subscription, price, name, now, number)
    checkout = _create_checkout(subscription, price, name, now, number)
    payment = _create_payment(customer, account, name, now, number)
    refund = _create_refund(payment, invoice, name, now, number)
    return subscription, invoice, payment, refund, checkout


def _create_subscription(
    customer: Customer, account: StripeAccount, price: Price, name: str, now: datetime, number: int
) -> Subscription:
    project = customer.project
    subscription = Subscription.objects.for_project(project).create(
        account=account,
        customer=customer,
        synced_at=now,
        stripe_id=new_stripe_id("sub"),
        status=("active", "trialing", "past_due", "canceled")[number % 4],
        started_at=now - 20 * DAY,
        metadata={"seller": name},
    )
    SubscriptionItem.objects.for_project(project).create(
        subscription=subscription,
        stripe_id=new_stripe_id("si"),
        price=price,
        price_stripe_id=price.stripe_id or "",
        quantity=number + 1,
        period_start=now - 20 * DAY,
        period_end=now + 10 * DAY,
    )
    return subscription


def _create_invoice(
    subscription: Subscription, price: Price, name: str, now: datetime, number: int
) -> Invoice:
    project, account, customer = subscription.project, subscription.account, subscription.customer
    invoice = Invoice.objects.for_project(project).create(
        account=account,
        customer=customer,
        synced_at=now,
        stripe_id=new_stripe_id("in"),
        subscription=subscription,
        subscription_stripe_id=subscription.stripe_id or "",
        number=f"A-{number:04}",
        status="paid",
        billing_reason="subscription_create",
        currency="usd",
        subtotal=2900,
        total=2900,
        amount_due=2900,
        amount_paid=2900,
        hosted_url="https://invoice.example.com/1",
        issued_at=now - 20 * DAY,
        paid_at=now - 20 * DAY,
    )
    InvoiceLine.objects.for_project(project).create(
        invoice=invoice,
        stripe_id=new_stripe_id("il"),
        description=f"{name} Pro",
        price=price,
        quantity=1,
        amount=2900,
        currency="usd",
        period_start=now - 20 * DAY,
        period_end=now + 10 * DAY,
    )
    return invoice


def _create_checkout(
    subscription: Subscription, price: Price, name: str, now: datetime, number: int
) -> Checkout:
    project, account, customer = subscription.project, subscription.account, subscription.customer
    cart = Cart.objects.for_project(project).create(
        customer=customer,
        currency="usd",
        metadata={"seller": name},
        expires_at=now + 20 * DAY,
    )
    CartLine.objects.for_project(project).create(cart=cart, price=price, quantity=number + 1)
    checkout = Checkout.objects.for_project(project).create(
        account=account,
        customer=customer,
        synced_at=now,
        cart=cart,
        stripe_id=new_stripe_id("cs_test"),
        type="subscription",
        status="complete",
        payment_status="paid",
        success_url="https://app.example.com/paid",
        currency="usd",
        amount_total=2900,
        subscription_stripe_id=subscription.stripe_id or "",
        metadata={"seller": name},
        completed_at=now - 20 * DAY,
    )
    CheckoutLine.objects.for_project(project).create(checkout=checkout, price=price)
    return checkout


def _create_payment(
    customer: Customer, account: StripeAccount, name: str, now: datetime, number: int
) -> Payment:
    """A payment that is disputed and warned of."""
    project = customer.project
    payment = Payment.objects.for_project(project).create(
        account=account,
        customer=customer,
        synced_at=now,
        stripe_id=new_stripe_id("pi"),
        status="partially_refunded",
        stripe_status="succeeded",
        currency="usd",
        amount=2900,
        amount_received=2900,
        amount_refunded=900,
        paid_at=now - DAY,
        metadata={"seller": name},
    )
    Dispute.objects.for_project(project).create(
        account=account,
        stripe_id=new_stripe_id("du"),
        payment=payment,
        status=("needs_response", "won", "lost", "warning_needs_response")[number % 4],
        currency="usd",
        amount=2000,
        reason="fraudulent",
        evidence_due_by=now + 7 * DAY,
        opened_at=now - DAY / 4,
    )
    EarlyFraudWarning.objects.for_project(project).create(
        account=account,
        stripe_id=new_stripe_id("issfr"),
        payment=payment,
        fraud_type="made_with_stolen_card",
        actionable=number % 2 == 0,
        warned_at=now - DAY / 3,
    )
    return payment


def _create_refund(
    payment: Payment, invoice: Invoice, name: str, now: datetime, number: int
) -> Refund:
    """A refund of a part of the payment, with the credit note of its invoice."""
    project, account = payment.project, payment.account
    InvoicePayment.objects.for_project(project).create(
        invoice=invoice,
        stripe_id=new_stripe_id("inpay"),
        payment=payment,
        payment_stripe_id=payment.stripe_id or "",
        status="paid",
        currency="usd",
        amount_requested=2900,
        amount_paid=2900,
    )
    CreditNote.objects.for_project(project).create(
        account=account,
        stripe_id=new_stripe_id("cn"),
        invoice=invoice,
        number=f"{name[:50]}-CN-{number}",
        status="issued",
        currency="usd",
        amount=900,
        issued_at=now - DAY / 2,
    )
    return Refund.objects.for_project(project).create(
        account=account,
        stripe_id=new_stripe_id("re"),
        payment=payment,
        status="succeeded",
        currency="usd",
        amount=900,
        reason="requested_by_customer",
        refunded_at=now - DAY / 2,
        synced_at=now,
    )
