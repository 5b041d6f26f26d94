"""Calls of the credit services, and the rows and events that they leave."""

from datetime import timedelta

from entitlements.balances.selectors import credits as credit_selectors
from entitlements.credits import credit_grants
from entitlements.credits import service as credits
from entitlements.credits.service import CreditSpendRequest
from entitlements.models import CreditTransaction
from events.models import OutboxEvent
from tests.factories.entitlements import NOW

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)


def give(customer, amount, at=NOW, **fields):
    return credit_grants.give_by_hand(
        project=customer.project,
        user_id=customer.user_id,
        amount=amount,
        at=at,
        **{"reason": "Goodwill.", "actor": "operator:ada", **fields},
    )


def customer_arguments(customer):
    return {"project_id": customer.project_id, "customer_id": customer.pk}


def spend(customer, amount, at=NOW, **fields):
    actor = fields.pop("actor", "")
    request = CreditSpendRequest(amount=amount, **fields)
    return credits.spend(**customer_arguments(customer), request=request, at=at, actor=actor)


def balance(customer, at=NOW):
    return credit_selectors.balance(**customer_arguments(customer), at=at)


def balance_events(customer):
    """Events about the balance, and the balance."""
    types = ("credits.low", "credits.exhausted")
    events = OutboxEvent.objects.for_project(customer.project_id).filter(type__in=types)
    return [(event.type, event.data["balance"]) for event in events.order_by("pk")]


def grant_events(customer):
    """Events about credit grants."""
    events = OutboxEvent.objects.for_project(customer.project_id).order_by("pk")
    return [
        event
        for event in events
        if event.type.startswith("credits.")
        and event.type not in ("credits.low", "credits.exhausted")
    ]


def ledger(customer):
    """Movements with the balance after each."""
    rows = CreditTransaction.objects.for_project(customer.project_id).order_by("pk")
    return [(row.movement, row.amount, row.balance) for row in rows]
