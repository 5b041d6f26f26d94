"""Serialise a decision that still lacks its usage or credit balance."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from common.times import parse_optional
from entitlements import representation
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.resolution.decision import Decision, Metering
from entitlements.resolution.facts import Reason, Source
from usage.periods import Period


def encode(static: StaticDecision) -> bytes:
    """JSON bytes of the static decision plus the customer and the metering that complete it."""
    metering = static.decision.metering
    return orjson.dumps(
        {
            "customer": static.customer_id,
            "decision": representation.decision(static.decision),
            "metering": metering
            and [metering.meter_id, metering.period.text, metering.period.anchor],
            "metering_until": static.decision.metering_until,
            "is_priced": static.decision.is_priced,
        }
    )


@lru_cache(maxsize=4096)
def decode(text: bytes) -> StaticDecision:
    """The static decision from the bytes of :func:`encode`."""
    document = orjson.loads(text)
    decision_document = document["decision"]
    decision = Decision(
        feature=decision_document["feature"],
        allowed=decision_document["allowed"],
        reason=Reason(decision_document["reason"]),
        value=decision_document["value"],
        limit=decision_document["limit"],
        valid_until=parse_optional(decision_document["valid_until"]),
        version=decision_document["version"],
        sources=tuple(
            Source(source["type"], source["id"]) for source in decision_document["sources"]
        ),
        metering=_metering(document["metering"]),
        metering_until=parse_optional(document["metering_until"]),
        is_priced=document["is_priced"],
    )
    return StaticDecision(document["customer"], decision)


def _metering(fields: list[Any] | None) -> Metering | None:
    if fields is None:
        return None
    meter_id, text, anchor = fields
    return Metering(meter_id, replace(Period.from_text(text), anchor=parse_optional(anchor)))
