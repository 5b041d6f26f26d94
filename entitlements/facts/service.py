"""Replace the facts of a source: the only way in which entitlements change.

Subscriptions, purchases and grants all call :func:`replace` with the complete set of their facts.
Facts are never edited: a difference adds rows and raises the customer's version.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from common import prepared_inserts
from entitlements.cache import service as cache
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.decisions.selectors import facts as fact_rows
from entitlements.facts import notices
from entitlements.models import Fact
from entitlements.models.fact import Effect, SourceType
from entitlements.resolution.facts import Reason, Source
from projects.customers import selectors as customers
from projects.models import Customer


def replace(
    *,
    customer: Customer,
    source_type: SourceType,
    source_id: str,
    drafts: Iterable[FactDraft],
    at: datetime,
) -> bool:
    """Make these drafts the facts of the source. Returns whether anything changed.

    The caller holds the customer's lock. A change adds rows, raises the customer's version, records
    ``entitlements.changed`` when a decision changed, and invalidates cached decisions on commit.
    """
    source = Source(SourceType(source_type).value, source_id)
    drafts_by_key = {draft.key: draft for draft in drafts}
    with transaction.atomic(savepoint=False):
        before = fact_rows.current(customer=customer)
        rows_of_source = [row for row in before if fact_rows.source_of(row) == source]
        if are_current(rows_of_source, drafts_by_key.values()):
            return False
        version = customers.raise_version(customer)
        added = _append(customer, source, list(drafts_by_key.values()), at)
        transaction.on_commit(lambda: cache.invalidate(customer, version=version), robust=True)
        after = _rows_after(customer, before, added)
        notices.notify_changed(customer=customer, before=before, after=after, at=at)
        customers.end_version(customer)
    return True


def _rows_after(
    customer: Customer, before: Iterable[Fact], added: Sequence[Fact]
) -> Sequence[Fact]:
    """The rows that count now: ``added`` instead of those of their source. Read anew only if a
    feature is named that none of them names before."""
    features = {row.feature_id: row.feature for row in before if row.feature_id}
    if any(row.feature_id and row.feature_id not in features for row in added):
        return fact_rows.current(customer=customer)
    for row in added:
        row.feature = features.get(row.feature_id)
    source = fact_rows.source_of(added[0])
    return [*(row for row in before if fact_rows.source_of(row) != source), *added]


def are_current(rows: Iterable[Fact], drafts: Iterable[FactDraft]) -> bool:
    """Whether the rows of a source state exactly these drafts."""
    stated_keys = {_draft_of_row(row).key for row in rows if row.effect != Effect.NONE}
    return stated_keys == {draft.key for draft in drafts}


def _draft_of_row(row: Fact) -> FactDraft:
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


def _append(
    customer: Customer, source: Source, drafts: Sequence[FactDraft], at: datetime
) -> list[Fact]:
    """Add the source's rows for the customer's new version; without drafts one row with the
    effect ``none``. Returns them."""
    end_of_source = Fact(effect=Effect.NONE, reason=Reason.NOT_ENTITLED, starts_at=at)
    rows = [
        Fact(
            feature_id=draft.feature_id,
            effect=draft.effect,
            value=draft.value,
            reason=draft.reason,
            starts_at=draft.starts_at,
            ends_at=draft.ends_at,
            anchored_at=draft.anchored_at,
            part=draft.part,
            paid_until=draft.paid_until,
        )
        for draft in drafts
    ] or [end_of_source]
    for row in rows:
        row.project_id = customer.project_id
        row.customer_id = customer.pk
        row.source_type, row.source_id = source
        row.version, row.recorded_at = customer.version, at
    prepared_inserts.insert(rows)
    return rows
