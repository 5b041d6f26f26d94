"""Uses of metered features that this process remembers: they can be counted together.

Nothing of them is decided here. The statement that counts decides, and a use that it does not count
is left to ``entitlements.consumption.service``, as if nothing had been tried.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from common import context
from common.after_commit import after_commit
from entitlements.consumption import consumables
from entitlements.consumption.consumables import Consumable
from entitlements.consumption.service import Consumption, build_consumption, note_thresholds
from entitlements.notices import thresholds
from usage.totals import counting
from usage.totals.counting import CountRequest, CountResult


class RememberedUse(NamedTuple):
    """A use of a feature whose static decision this process remembers."""

    consumable: Consumable
    request: CountRequest
    parameters: dict[str, Any]
    at: datetime
    request_id: str
    traceparent: str

    @property
    def project_id(self) -> str:
        return self.request.project_id

    @property
    def order(self) -> tuple[str, str, str]:
        """Uses that are counted together lock their counters in this order."""
        return self.request.project_id, self.request.customer_id, self.request.meter_id


def find(
    *,
    project_id: str,
    user_id: str,
    feature: str,
    amount: int,
    key: str,
    at: datetime,
    request_id: str,
    traceparent: str,
) -> RememberedUse | None:
    """The use, if its static decision is remembered. No query, no round trip."""
    consumable = consumables.find_remembered(
        project_id=project_id, user_id=user_id, feature=feature, at=at
    )
    if consumable is None or consumable.customer_id is None:
        return None
    decision = consumable.decision
    if decision.metering is None or not decision.allowed:
        return None
    request = CountRequest(project_id, consumable.customer_id, *decision.metering, amount)
    parameters = counting.count_parameters(
        request,
        limit=decision.limit,
        at=at,
        key=key,
        feature=decision.feature,
        marks=thresholds.threshold_amounts(decision.limit),
        version=decision.version,
    )
    return RememberedUse(consumable, request, parameters, at, request_id, traceparent)


def consume_together(uses: Sequence[RememberedUse]) -> list[Consumption | None]:
    """Count the uses in one transaction. None for one that is not counted: it is consumed alone.

    Raises Django's database errors; nothing is counted then, unless
    ``prepared_statements.is_outcome_unknown``.
    """
    numbers = sorted(range(len(uses)), key=lambda number: uses[number].order)
    ordered = [uses[number] for number in numbers]
    results = counting.count_each([(use.request, use.parameters) for use in ordered])
    consumptions: list[Consumption | None] = [None] * len(uses)
    counted = []
    for number, use, result in zip(numbers, ordered, results, strict=True):
        if result is not None:
            consumptions[number] = build_consumption(
                use.consumable, result, request=use.request, at=use.at
            )
            counted.append(use.consumable)
            after_commit(partial(_note_thresholds, use, result))
    consumables.forget_cached_decisions(counted)
    return consumptions


def _note_thresholds(use: RememberedUse, result: CountResult) -> None:
    """Let notices follow, which name the request as their cause."""
    if result.is_noted:
        context.begin(use.request_id, use.traceparent)
        note_thresholds(use.consumable, result, request=use.request, at=use.at)
