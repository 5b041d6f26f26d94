"""One gauge: a family with its samples."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily


def gauge(
    name: str, help_text: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> GaugeMetricFamily:
    """A gauge named ``tollgate_<name>``; each sample is its labels and its value."""
    family = GaugeMetricFamily(f"tollgate_{name}", help_text)
    for labels, value in samples:
        family.add_sample(family.name, dict(labels), value)
    return family


def single(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels."""
    return gauge(name, help_text, [({}, value)])
