"""Differences between Stripe and our rows, found by reconciliation."""

from prometheus_client import Counter

from common.process_metrics import REGISTRY

HEALED, OPEN, NOT_COMPARED = "healed", "open", "not_compared"
_DIFFERENCES = Counter(
    "tollgate_reconcile_differences",
    "Differences that the nightly pass found: healed, open because the repair failed, or not "
    "compared because reading failed.",
    ["result"],
    registry=REGISTRY,
)
for _result in (HEALED, OPEN, NOT_COMPARED):
    _DIFFERENCES.labels(_result)


def record(result: str) -> None:
    _DIFFERENCES.labels(result).inc()
