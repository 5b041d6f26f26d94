"""What a source says about a customer: the one way in which entitlements change.

Subscriptions, purchases and grants all end here. A source states its complete set of claims;
the difference is recorded, never edited, and the customer's version grows with it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from entitlements.cache import service as cache
from entitlements.decisions.selectors import facts as stored
from entitlements.facts import notices as announcements
from entitlements.models import Fact
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.decision import ALLOWING, DENYING, Reason, Source
from projects.customers import selectors as customers
from projects.models import Customer


@dataclass(frozen=True, slots=True)
class FactDraft:
    """One thing that a source says about one feature, over ``[starts_at, ends_at)``.

    ``value`` is one of the feature's kind. ``part`` tells apart what a source gives twice, by two
    products say; the periods of a metered feature begin as at ``anchored_at``, or as it starts, and
    before ``paid_until`` where that is said.
    """

    feature_id: str
    value: Any
    reason: Reason
    starts_at: datetime
    ends_at: datetime | None = None
    effect: Effect = Effect.ALLOW
    anchored_at: datetime | None = None
    part: str = ""
    paid_until: datetime | None = None

    def __post_init__(self) -> None:
        fitting = ALLOWING if self.effect == Effect.ALLOW else DENYING
        if self.reason not in fitting:
            raise ValueError(f"A fact that {self.effect}s cannot have the reason {self.reason}.")

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two claims the same; true is not 1 here."""
        return (
            self.feature_id,
            json.dumps(self.value, sort_keys=True),
            str(self.reason),
            self.starts_at,
            self.ends_at,
            str(self.effect),
            self.anchored_at,
            self.part,
            self.paid_until,
        )


def replace(
    *,
    customer: Customer,
    source_type: SourceType,
    source_id: str,
    claims: Iterable[FactDraft],
    at: datetime,
) -> bool:
    """Make exactly these claims what the source says; whether that changed anything.

    The caller holds the customer's lock. A change adds rows, raises the customer's version,
    records ``entitlements.changed`` when an answer changed, and drops cached answers on commit.
    """
    source = Source(source_type, source_id)
    wanted = {claim.key: claim for claim in claims}
    with transaction.atomic():
        before = stored.current(customer=customer)
        said = [row for row in before if stored.source_of(row) == source]
        if are_said(said, wanted.values()):
            return False
        version = customers.bump(customer)
        _append(customer, source, list(wanted.values()), at)
        transaction.on_commit(lambda: cache.bury(customer, version=version), robust=True)
        after = stored.current(customer=customer)
        announcements.changed(customer=customer, before=before, after=after, at=at)
    return True


def are_said(rows: Iterable[Fact], claims: Iterable[FactDraft]) -> bool:
    """Whether the rows of a source say these claims and nothing else."""
    said = {_claim(row).key for row in rows if row.effect != Effect.NONE}
    return said == {claim.key for claim in claims}


def _claim(row: Fact) -> FactDraft:
    return FactDraft(
        feature_id=row.feature_id or "",
        value=row.value,
        reason=Reason(row.reason),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        effect=Effect(row.effect),
        anchored_at=row.anchored_at,
        part=row.part,
        paid_until=row.paid_until,
    )


def _append(customer: Customer, source: Source, claims: Sequence[FactDraft], at: datetime) -> None:
    """Record what the source says from this version on; silence is a row too."""
    silence = Fact(effect=Effect.NONE, reason=Reason.NOT_ENTITLED, starts_at=at)
    rows = [
        Fact(
            feature_id=claim.feature_id,
            effect=claim.effect,
            value=claim.value,
            reason=claim.reason,
            starts_at=claim.starts_at,
            ends_at=claim.ends_at,
            anchored_at=claim.anchored_at,
            part=claim.part,
            paid_until=claim.paid_until,
        )
        for claim in claims
    ] or [silence]
    for row in rows:
        row.project_id = customer.project_id
        row.customer_id = customer.pk
        row.source_type, row.source_id = source
        row.version, row.recorded_at = customer.version, at
    Fact.objects.for_project(customer.project_id).bulk_create(rows)
