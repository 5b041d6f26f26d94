"""``entitlements.changed``: told when an answer differs from the one that was told last."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from entitlements import representation, resolution
from entitlements.models import Fact
from entitlements.resolution import Decision
from entitlements.selectors import facts as stored
from entitlements.selectors import features
from events.catalog import EventType
from events.services import outbox
from projects.models import Customer


def changed(*, customer: Customer, before: Sequence[Fact], at: datetime) -> None:
    """Record the customer's new state, unless every answer is what it was when last told.

    ``before`` is what the sources said until now. It is resolved at the moment at which it was
    recorded, so that an answer which time alone changed meanwhile is told as well.
    """
    told_at = max((row.recorded_at for row in before), default=at)
    told_version = max((row.version for row in before), default=0)
    after = stored.current(customer=customer)
    kinds = features.live_kinds(project=customer.project_id) | stored.kinds([*before, *after])
    old = resolution.resolve_all(
        stored.known(before), features=kinds, at=told_at, version=told_version
    )
    new = resolution.resolve_all(
        stored.known(after), features=kinds, at=at, version=customer.version
    )
    differing = _differing(old, new)
    if differing:
        outbox.record(
            project_id=customer.project_id,
            type=EventType.ENTITLEMENTS_CHANGED,
            subject=customer.pk,
            data=representation.state(customer, new.values()),
            at=at,
            customer_id=customer.pk,
            version=customer.version,
            previous={"entitlements": [representation.decision(each) for each in differing]},
        )


def _differing(old: Mapping[str, Decision], new: Mapping[str, Decision]) -> list[Decision]:
    """The old answers that are no longer given; a version that grew is no other answer."""
    return [was for was in old.values() if was != replace(new[was.feature], version=was.version)]
