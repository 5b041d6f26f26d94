"""Random histories of a customer's credits, run on plain values or on the database.

Both players have the same moves and answer the same: whether it was done, and the sums after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from entitlements.balances.selectors import credits as credit_selectors
from entitlements.credits import credit_expiry, credit_grants
from entitlements.credits import service as credits
from entitlements.credits.credit_grant_terms import CreditGrantTerms
from entitlements.credits.credit_grants import CreditOrigin
from entitlements.credits.service import CreditSpendRequest
from entitlements.errors import NotEnoughCredits
from entitlements.models import CreditGrant
from entitlements.models.credit_grant import SUMS, CreditSource
from entitlements.resolution import credit_allocation
from entitlements.resolution.credit_allocation import (
    CreditBucket,
    CreditLeg,
    CreditLot,
    CreditMovement,
    CreditShare,
)
from projects.models import Customer
from tests.factories.entitlements import NOW

Sums = list[tuple[int, ...]]
Move = tuple[str, datetime, dict[str, Any]]


def history(random: Random, length: int) -> Iterator[Move]:
    """Random moves in the order of time: grants, spendings, reservations, revisions, expiries."""
    at, grant_count, holds = NOW, 0, 0
    for _ in range(length):
        at += timedelta(hours=random.choice([0, 0, 1, 5, 24]))
        kind = random.choices(
            ["give", "spend", "hold", "settle", "revise", "expire"], [4, 6, 3, 3, 3, 2]
        )[0]
        if kind == "give" or grant_count == 0:
            days = random.choice([None, 1, 2, 5, 30])
            expires_at = None if days is None else at + timedelta(days=days)
            amount, priority = random.randrange(0, 120), random.choice([0, 50, 50, 100])
            yield "give", at, {"amount": amount, "priority": priority, "expires_at": expires_at}
            grant_count += 1
        elif kind == "spend":
            yield "spend", at, {"amount": random.randrange(1, 150)}
        elif kind == "hold":
            yield "hold", at, {"amount": random.randrange(1, 100), "reference": f"res_{holds}"}
            holds += 1
        elif kind == "settle" and holds:
            reference = f"res_{random.randrange(holds)}"
            yield "settle", at, {"reference": reference, "part": random.choice([0, 1, 2, 3])}
        elif kind == "revise":
            yield (
                "revise",
                at,
                {
                    "number": random.randrange(grant_count),
                    "due": random.randrange(0, 150),
                    "is_withheld": random.random() < 0.3,
                },
            )
        else:
            yield "expire", at, {}


@dataclass
class Values:
    """The rules alone: lots and the legs of everything that was posted."""

    lots: dict[str, CreditLot] = field(default_factory=dict)
    terms: dict[str, tuple[int, bool]] = field(default_factory=dict)
    posted: list[tuple[CreditMovement, tuple[CreditLeg, ...]]] = field(default_factory=list)
    held: dict[str, list[CreditShare]] = field(default_factory=dict)

    def play(self, move: str, at: datetime, fields: dict[str, Any]) -> bool:
        done: bool = getattr(self, move)(at, **fields)
        return done

    def give(
        self, at: datetime, *, amount: int, priority: int, expires_at: datetime | None
    ) -> bool:
        name = f"{len(self.lots):06}"
        self.lots[name] = CreditLot(name, priority, at, expires_at)
        self.terms[name] = amount, False
        return self._come_to(name, at)

    def spend(self, at: datetime, *, amount: int) -> bool:
        return self._take(at, amount, CreditMovement.SPEND, CreditBucket.SPENT) is not None

    def hold(self, at: datetime, *, amount: int, reference: str) -> bool:
        shares = self._take(at, amount, CreditMovement.HOLD, CreditBucket.RESERVED)
        self.held[reference] = shares or []
        return shares is not None

    def settle(self, at: datetime, *, reference: str, part: int) -> bool:
        held = self.held.pop(reference, [])
        used, rest = credit_allocation.split_reserved(
            held, sum(share.amount for share in held) * part // 3
        )
        self._post(
            CreditMovement.SETTLE,
            credit_allocation.build_transfer(used, CreditBucket.RESERVED, CreditBucket.SPENT),
        )
        self._post(
            CreditMovement.RELEASE,
            credit_allocation.build_transfer(rest, CreditBucket.RESERVED, CreditBucket.AVAILABLE),
        )
        for share in sorted(rest, key=lambda share: share.grant):
            self._come_to(share.grant, at)
        return bool(held)

    def revise(self, at: datetime, *, number: int, due: int, is_withheld: bool) -> bool:
        name = sorted(self.lots)[number]
        if self.terms[name] == (due, is_withheld):
            return False
        self.terms[name] = due, is_withheld
        self._come_to(name, at)
        return True

    def expire(self, at: datetime) -> bool:
        over = [
            name
            for name, lot in self.lots.items()
            if not lot.is_live(at) and lot.available + lot.withheld
        ]
        booked = [self._come_to(name, at) for name in over]
        return any(booked)

    def balance(self, at: datetime) -> int:
        return sum(lot.available for lot in self.lots.values() if lot.is_live(at))

    def sums(self) -> Sums:
        return [tuple(getattr(lot, name) for name in SUMS) for _, lot in sorted(self.lots.items())]

    def _take(
        self, at: datetime, amount: int, movement: CreditMovement, bucket: CreditBucket
    ) -> list[CreditShare] | None:
        shares = credit_allocation.allocate(self.lots.values(), amount, at=at)
        if shares is not None:
            self._post(
                movement, credit_allocation.build_transfer(shares, CreditBucket.AVAILABLE, bucket)
            )
        return shares

    def _come_to(self, name: str, at: datetime) -> bool:
        due, is_withheld = self.terms[name]
        steps = credit_allocation.plan_due_transactions(
            self.lots[name], due=due, is_withheld=is_withheld, at=at
        )
        for step in steps:
            self._post(step.movement, step.legs)
        return bool(steps)

    def _post(self, movement: CreditMovement, legs: tuple[CreditLeg, ...]) -> None:
        if legs:
            self.posted.append((movement, legs))
            self.lots = {
                name: credit_allocation.apply_legs(lot, legs) for name, lot in self.lots.items()
            }


@dataclass
class Stored:
    """The services on the database, for one customer."""

    customer: Customer
    grants: list[str] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)

    def play(self, move: str, at: datetime, fields: dict[str, Any]) -> bool:
        try:
            done: bool = getattr(self, move)(at, **fields)
        except NotEnoughCredits:
            return False
        return done

    def give(
        self, at: datetime, *, amount: int, priority: int, expires_at: datetime | None
    ) -> bool:
        grant = credit_grants.give(
            customer=self.customer,
            origin=CreditOrigin(
                source_type=CreditSource.CHECKOUT,
                source_id=self.customer.pk,
                key=str(len(self.grants)),
                starts_at=at,
            ),
            terms=CreditGrantTerms(amount=amount, due=amount, expires_at=expires_at),
            priority=priority,
            at=at,
        )
        self.grants.append(grant.pk)
        return amount > 0

    def spend(self, at: datetime, *, amount: int) -> bool:
        request = CreditSpendRequest(amount=amount)
        return credits.spend(**self._who, request=request, at=at).amount == amount

    def hold(self, at: datetime, *, amount: int, reference: str) -> bool:
        credits.hold(**self._who, amount=amount, reference=reference, at=at)
        self.held[reference] = amount
        return True

    def settle(self, at: datetime, *, reference: str, part: int) -> bool:
        held = self.held.pop(reference, 0)
        amount = held * part // 3
        balance = credits.post_reserved(**self._who, reference=reference, amount=amount, at=at)
        assert balance == self.balance(at)
        return held > 0

    def revise(self, at: datetime, *, number: int, due: int, is_withheld: bool) -> bool:
        grant = credit_selectors.grant(
            project=self.customer.project_id, grant_id=self.grants[number]
        )
        terms = CreditGrantTerms(
            amount=grant.amount, due=due, expires_at=grant.expires_at, is_withheld=is_withheld
        )
        return credit_grants.revise(customer=self.customer, grant=grant, terms=terms, at=at)

    def expire(self, at: datetime) -> bool:
        due = {
            grant.pk
            for grant in credit_selectors.due_to_expire(at=at, limit=1000, rule=credit_expiry.RULE)
        }
        return credit_expiry.expire_due(at=at, limit=1000) == len(due) and bool(
            due & set(self.grants)
        )

    def balance(self, at: datetime) -> int:
        return credit_selectors.balance(**self._who, at=at)

    def sums(self) -> Sums:
        rows = CreditGrant.objects.for_project(self.customer.project_id).filter(pk__in=self.grants)
        return list(rows.order_by("pk").values_list(*SUMS))

    @property
    def _who(self) -> dict[str, Any]:
        return {"project_id": self.customer.project_id, "customer_id": self.customer.pk}
