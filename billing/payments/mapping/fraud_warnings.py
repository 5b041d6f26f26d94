"""Store Stripe's early fraud warnings. Stripe reads a warning apart from its payment."""

from datetime import datetime

from billing import representation
from billing.models import EarlyFraudWarning, Payment, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe import fraud_warnings as stripe_fraud_warnings
from billing.stripe.snapshots import FraudWarningSnapshot
from billing.sync import kinds
from billing.sync.kinds import Mirrored
from billing.sync.mapper import Mapper
from billing.sync.plan import RowPlan, Values
from billing.sync.selectors import owners
from billing.sync.selectors.owners import Owner
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer


def _find_owner(account: StripeAccount, snapshot: FraudWarningSnapshot) -> Owner | None:
    """Return the owner of the payment, else the owner of its Stripe customer."""
    payment = owners.row_of(Payment, account=account, stripe_id=snapshot.payment_stripe_id or "")
    if payment is not None:
        return Owner(payment.project_id, payment.customer_id)
    if not snapshot.payment_stripe_id:
        return None
    return owners.by_customer(account=account, stripe_id=snapshot.customer_stripe_id)


def _plan_row(
    account: StripeAccount, owner: Owner, snapshot: FraudWarningSnapshot
) -> RowPlan[EarlyFraudWarning]:
    stripe_id = snapshot.payment_stripe_id or ""
    payment = owners.project_row(
        Payment, account=account, project_id=owner.project_id, stripe_id=stripe_id
    )
    row = owners.project_row(
        EarlyFraudWarning,
        account=account,
        project_id=owner.project_id,
        stripe_id=snapshot.stripe_id,
    ) or EarlyFraudWarning(project_id=owner.project_id, account=account)
    return RowPlan(
        row=row,
        values={
            "stripe_id": snapshot.stripe_id,
            "payment_id": payment.pk if payment is not None else None,
            "fraud_type": snapshot.fraud_type,
            "actionable": snapshot.actionable,
            "warned_at": snapshot.created_at,
        },
        needs=None if payment is not None else (ObjectKind.PAYMENT_INTENT.value, stripe_id),
    )


def _values_when_gone(row: EarlyFraudWarning, at: datetime) -> Values:
    """A warning that Stripe no longer has is not actionable."""
    return {"actionable": False}


def _write_plan(plan: RowPlan[EarlyFraudWarning], customer: Customer | None, at: datetime) -> None:
    """Write the warning; record ``payment.fraud_warning`` for a new one. Access does not change."""
    assert customer is not None
    is_new = plan.is_new
    if not plan.write(at=at) or not is_new:
        return
    payment = plan.row.payment
    payment.customer = customer
    outbox.record(
        project_id=customer.project_id,
        event_type=EventType.PAYMENT_FRAUD_WARNING,
        subject=payment.pk,
        customer_id=customer.pk,
        version=customers.raise_version(customer),
        data=representation.payment(payment),
        previous={},
        at=at,
    )


def _find_customer_id(row: EarlyFraudWarning) -> str:
    customer_id: str = row.payment.customer_id
    return customer_id


MAPPER: Mapper[FraudWarningSnapshot, EarlyFraudWarning] = Mapper(
    model=EarlyFraudWarning,
    owner=_find_owner,
    plan=_plan_row,
    gone=_values_when_gone,
    carry_out=_write_plan,
    customer_id=_find_customer_id,
)


MIRRORED = Mirrored(
    ObjectKind.FRAUD_WARNING,
    stripe_fraud_warnings.retrieve,
    stripe_fraud_warnings.iterate,
    MAPPER,
    kinds.never,
)
