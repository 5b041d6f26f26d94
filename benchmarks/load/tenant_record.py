"""What a load process knows of one tenant: what it sent, what was answered, how long it took."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load.kinds import LoadPath
from benchmarks.load.latencies import LatencyHistogram


@dataclass(slots=True)
class TenantRecord:
    """``usage`` and ``consumed`` are sums of acknowledged requests by user. ``paid`` are checkouts
    that the sandbox took the money of, by their buyers; ``received`` counts webhooks by type.
    ``unknown`` are requests whose result nobody told; ``wrong`` describes wrong answers."""

    latencies: dict[LoadPath, LatencyHistogram] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    usage: Counter[str] = field(default_factory=Counter)
    consumed: Counter[str] = field(default_factory=Counter)
    paid: dict[str, str] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    wrong: list[str] = field(default_factory=list)

    def measured(self, path: LoadPath, milliseconds: float) -> None:
        self.latencies.setdefault(path, LatencyHistogram()).add(milliseconds)

    def failed(self, path: LoadPath, reason: object) -> None:
        self.errors[f"{path}: {reason}"] += 1

    def as_json(self) -> dict[str, Any]:
        return {
            "latencies": {path: each.as_json() for path, each in self.latencies.items()},
            "errors": self.errors,
            "usage": self.usage,
            "consumed": self.consumed,
            "paid": self.paid,
            "received": self.received,
            "unknown": self.unknown,
            "wrong": self.wrong,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TenantRecord":
        return cls(
            latencies={
                LoadPath(path): LatencyHistogram.from_json(counts)
                for path, counts in values["latencies"].items()
            },
            errors=Counter(values["errors"]),
            usage=Counter(values["usage"]),
            consumed=Counter(values["consumed"]),
            paid=values["paid"],
            received=Counter(values["received"]),
            unknown=values["unknown"],
            wrong=values["wrong"],
        )


def all_errors(records: Iterable[TenantRecord]) -> Counter[str]:
    total: Counter[str] = Counter()
    for record in records:
        total.update(record.errors)
    return total
