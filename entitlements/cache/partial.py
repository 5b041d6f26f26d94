"""What facts alone say about a counted or priced feature, as bytes and back."""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from entitlements import representation
from entitlements.balances.selectors.figures import Answer
from entitlements.resolution.decision import Decision, Metering, Reason, Source
from usage.periods import Period


def encoded(answer: Answer) -> bytes:
    """The answer with what is not shown: whose figures complete it, and which."""
    metering = answer.decision.metering
    return orjson.dumps(
        {
            "customer": answer.customer_id,
            "decision": representation.decision(answer.decision),
            "metering": metering
            and [metering.meter_id, metering.period.text, metering.period.anchor],
            "metering_until": answer.decision.metering_until,
            "is_priced": answer.decision.is_priced,
        }
    )


@lru_cache(maxsize=4096)
def decoded(text: bytes) -> Answer:
    """The answer that was encoded."""
    said = orjson.loads(text)
    shown = said["decision"]
    decision = Decision(
        feature=shown["feature"],
        allowed=shown["allowed"],
        reason=Reason(shown["reason"]),
        value=shown["value"],
        limit=shown["limit"],
        valid_until=_moment(shown["valid_until"]),
        version=shown["version"],
        sources=tuple(Source(each["type"], each["id"]) for each in shown["sources"]),
        metering=_metering(said["metering"]),
        metering_until=_moment(said["metering_until"]),
        is_priced=said["is_priced"],
    )
    return Answer(said["customer"], decision)


def _metering(said: list[Any] | None) -> Metering | None:
    if said is None:
        return None
    meter_id, text, anchor = said
    return Metering(meter_id, replace(Period.of_text(text), anchor=_moment(anchor)))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
