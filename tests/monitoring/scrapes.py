"""Scrapes of ``/metrics``, as Prometheus reads them."""

from dataclasses import dataclass

from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families

from common import redis
from common.process_metrics import STATE_KEY, SUMS_KEY

TOKEN = "a-token-of-prometheus"


@dataclass(frozen=True)
class Scrape:
    """The samples of one scrape, and the types of the families."""

    types: dict[str, str]
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels. Raises KeyError without one."""
        values = [
            value
            for (sample, pairs), value in self.samples.items()
            if sample == name and labels.items() <= dict(pairs).items()
        ]
        if not values:
            raise KeyError(name, labels)
        return sum(values)

    def count(self, name: str, **labels: str) -> float:
        """As :meth:`value`; 0 without a sample."""
        try:
            return self.value(name, **labels)
        except KeyError:
            return 0.0

    @property
    def names(self) -> set[str]:
        """Names that a query may use: of samples, also of families without any yet."""
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        declared = {
            family + suffix
            for family, kind in self.types.items()
            for suffix in suffixes.get(kind, ("",))
        }
        return declared | {name for name, _ in self.samples}


def scrape() -> Scrape:
    with override_settings(METRICS_TOKEN=TOKEN):
        response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    families = list(text_string_to_metric_families(response.content.decode()))
    return Scrape(
        types={family.name: family.type for family in families},
        samples={
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        },
    )


def forget_sums() -> None:
    """What Redis loses when it starts empty."""
    redis.client().delete(SUMS_KEY, STATE_KEY)
