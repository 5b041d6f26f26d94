"""Payments that were paid or have expired, and the signals about them."""

from datetime import UTC, datetime, timedelta

from billing import representation
from billing.models import Payment, StripeAccount
from delivery.models import WorkflowSignal
from delivery.signals import planner, sender
from events.catalog import EventType
from events.log import outbox, sequencer
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def pay(
    project: Project,
    workflow_id: str = "order-7",
    *,
    event_type: EventType = EventType.PAYMENT_PAID,
    payment: Payment | None = None,
) -> str:
    """A payment of this workflow, and its event: the event's id."""
    row = payment or create_payment(project, workflow_id)
    event = outbox.record(
        project_id=project.pk,
        event_type=event_type,
        subject=row.pk,
        customer_id=row.customer_id,
        version=1,
        data=representation.payment(row),
        at=NOW,
    )
    sequencer.run()
    return str(event.pk)


def create_payment(project: Project, workflow_id: str = "order-7") -> Payment:
    customer = Customer.objects.for_project(project).first() or CustomerFactory.create(
        project=project
    )
    account, _ = StripeAccount.objects.get_or_create(name="Signals", livemode=False)
    return Payment.objects.for_project(project).create(
        account=account,
        customer=customer,
        workflow_id=workflow_id,
        currency="usd",
        amount=2900,
    )


def send(*, after: timedelta = timedelta()) -> int:
    """Plan and send what is due."""
    planner.run(at=NOW + after)
    return sender.run(at=NOW + after)


def states(project: Project) -> list[tuple[str, str]]:
    rows = WorkflowSignal.objects.for_project(project).order_by("pk")
    return [(row.state, row.reason) for row in rows]
