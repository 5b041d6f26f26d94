"""Counters of all processes, with a bound on the number of projects that have series of their
own."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from prometheus_client.metrics_core import Metric

from billing.operations import drift_metrics
from billing.stripe import request_metrics as stripe_metrics
from billing.sync import event_latency
from common import chore_metrics, process_metrics, request_metrics
from common.process_metrics import SampleKey
from delivery.webhooks import attempt_metrics
from entitlements.cache import hit_rate
from events.log import event_counts
from webhooks import event_metrics

INSTRUMENTS = (
    attempt_metrics,
    chore_metrics,
    drift_metrics,
    event_counts,
    event_latency,
    event_metrics,
    hit_rate,
    request_metrics,
    stripe_metrics,
)
"""Modules that declare instruments: this process shows them, whichever process counts."""
OTHER = "other"
"""Stands for all projects beyond the bound."""


def collect_counters(
    sums: Mapping[SampleKey, float], project_ids: Collection[str]
) -> Iterable[Metric]:
    """The sums over all processes; these projects have series of their own."""
    return process_metrics.families(_fold(sums, project_ids))


def _fold(
    values: Mapping[SampleKey, float], project_ids: Collection[str]
) -> dict[SampleKey, float]:
    """Add the series of all other projects up."""
    folded: defaultdict[SampleKey, float] = defaultdict(float)
    for (name, labels), value in values.items():
        kept = tuple(
            (label, OTHER if label == "project" and text not in project_ids else text)
            for label, text in labels
        )
        folded[name, kept] += value
    return folded
