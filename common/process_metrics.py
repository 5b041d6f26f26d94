"""Counters and histograms of all processes, added up in Redis (docs/decisions/0043).

An instrument is declared with prometheus_client beside the code that it measures, in
:data:`REGISTRY`. A process counts in memory. Every few seconds it adds what is new to one hash in
Redis, and stores how it is itself (memory, pools). ``/metrics`` of any process reads the hash.

While Redis is away nothing is lost but the sums of what had been counted: processes go on counting
and add it later. Where Redis has lost the hash, the sums begin at zero, which Prometheus takes for
a restart. A process that stops adds its last seconds first; one that is killed takes them with it.
An answer of Redis that is lost may make one addition count twice.
"""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from common import process_state, redis
from common.ids import new_id

log = structlog.get_logger(__name__)

REGISTRY = CollectorRegistry(auto_describe=False)
"""The instruments of this process."""
SUMS_KEY, STATE_KEY = "tollgate:metrics:sums", "{tollgate:metrics:sums}:processes"
EPOCH = "epoch"
"""The field that says whether the hash is still the one that it was."""
SHIP_SECONDS = 5.0
"""Between two additions of a process."""
GONE_SECONDS = 4 * SHIP_SECONDS
"""After which a process that has added nothing counts no more."""
PATIENCE = 2.0
"""Seconds for which a scrape waits for Redis: counters that vanish for a moment are gaps."""
FAST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, of what should take milliseconds."""
SLOW_BUCKETS = (1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
"""Upper bounds, in seconds, of what is seldom faster than a second."""

Labels = tuple[tuple[str, str], ...]
SampleKey = tuple[str, Labels]
"""Name of the sample, and its labels by name."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """How one process is: its role (``web``, ``worker``, ``worker_child``, ``deliver``), and its
    figures by name (``common.process_state``)."""

    role: str
    figures: Mapping[str, float]


class MetricShipper:
    """Adds what this process counts to the sums of all."""

    def __init__(self) -> None:
        self.role = self.child_role = ""
        self._epoch = ""
        self._shipped: dict[SampleKey, float] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        """Held while the instruments are read, whose own locks are held meanwhile."""
        self._id = new_id("prc")
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self, role: str) -> None:
        """Ship every few seconds in a thread of this process. The second call does nothing."""
        if self._thread is not None:
            return
        self.role, self._stopped = role, threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ship what is left, and count as a process no more. Does nothing unless started."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopped.set()
        thread.join()
        self.role = self.child_role = ""
        self.ship()

    def before_fork(self) -> None:
        """Wait until no thread of ours reads the instruments: a child that is born meanwhile would
        have their locks, held by a thread that it does not have."""
        self._reading.acquire()

    def after_fork(self) -> None:
        """In the parent: read on."""
        self._reading.release()

    def begin_child(self) -> None:
        """Begin anew after a fork: what the parent has counted is the parent's."""
        self._lock, self._reading = threading.Lock(), threading.Lock()
        self._id = new_id("prc")
        self._shipped = values_of(REGISTRY.collect())
        self.role, self._thread = "", None
        if self.child_role:
            self.start(self.child_role)

    def ship(self) -> bool:
        """Add what is new since the last time. False while Redis is away: it is added later."""
        with self._lock:
            with self._reading:
                values = values_of(REGISTRY.collect())
            new = {
                key: value - self._shipped.get(key, 0.0)
                for key, value in values.items()
                if self._shipped.get(key) != value
            }
            epoch = redis.attempt(lambda client: self._add(client, new), fallback=None)
            if epoch is None:
                return False
            self._shipped = values
            if epoch != self._epoch:  # Redis has lost its sums: all series begin anew, at zero
                zeros = dict.fromkeys(values.keys() - new.keys(), 0.0)
                self._epoch = redis.attempt(lambda client: self._add(client, zeros), fallback="")
            return True

    def _add(self, client: Any, new: Mapping[SampleKey, float]) -> str:
        """Add these amounts in one transaction; returns the name of the sums' life in Redis."""
        pipeline = client.pipeline(transaction=True)
        pipeline.hsetnx(SUMS_KEY, EPOCH, new_id("mse"))
        pipeline.hget(SUMS_KEY, EPOCH)
        for key, amount in new.items():
            pipeline.hincrbyfloat(SUMS_KEY, _field(key), amount)
        if self.role:
            pipeline.hset(STATE_KEY, self._id, self._state())
        else:
            pipeline.hdel(STATE_KEY, self._id)
        return str(pipeline.execute()[1])

    def _state(self) -> str:
        figures = process_state.measure()
        return json.dumps({"at": time.time(), "role": self.role, "figures": figures})

    def _run(self) -> None:
        while not self._stopped.wait(SHIP_SECONDS):
            try:
                self.ship()
            except Exception as error:  # noqa: BLE001  # counting must outlive every error
                log.warning("metrics_not_shipped", error=type(error).__name__)


shipper = MetricShipper()
os.register_at_fork(
    before=shipper.before_fork,
    after_in_parent=shipper.after_fork,
    after_in_child=shipper.begin_child,
)


def values_of(families: Iterable[Metric]) -> dict[SampleKey, float]:
    """The samples by name and labels; equal ones of several collectors are added up."""
    values: defaultdict[SampleKey, float] = defaultdict(float)
    for family in families:
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                values[sample.name, tuple(sorted(sample.labels.items()))] += sample.value
    return dict(values)


class StoredFigures(NamedTuple):
    """What Redis has of all processes: the sums of their counters, and their states."""

    sums: dict[SampleKey, float]
    states: list[ProcessState]


def read_figures(*, now: float) -> StoredFigures | None:
    """The figures at ``now``, in seconds since 1970, in one round trip; None if Redis does not
    answer within ``PATIENCE``. Forgets processes that have ended."""

    def read(client: Any) -> Any:
        pipeline = client.pipeline(transaction=False)
        pipeline.hgetall(SUMS_KEY)
        pipeline.hgetall(STATE_KEY)
        return pipeline.execute()

    stored = redis.ask_patiently(read, patience=PATIENCE)
    if stored is None:
        return None
    sums, states = stored
    fields = ((str(field), value) for field, value in sums.items() if field != EPOCH)
    return StoredFigures(
        {_key(field): float(value) for field, value in fields}, _running(states, now)
    )


def _running(stored: Mapping[str, str], now: float) -> list[ProcessState]:
    states = {process: json.loads(value) for process, value in stored.items()}
    gone = [process for process, state in states.items() if now - state["at"] > GONE_SECONDS]
    if gone:
        redis.attempt(lambda client: client.hdel(STATE_KEY, *gone), fallback=None)
    return [
        ProcessState(state["role"], state["figures"])
        for process, state in sorted(states.items())
        if process not in gone
    ]


def families(values: Mapping[SampleKey, float]) -> list[Metric]:
    """The values as families of the declared instruments; a value that no instrument of this
    process declares is left out."""
    metrics: dict[str, Metric] = {}
    family_names: dict[str, str] = {}
    for declared in REGISTRY.collect():
        metric = Metric(declared.name, declared.documentation, declared.type)
        metrics.setdefault(declared.name, metric)
        family_names |= dict.fromkeys(_sample_names(declared), declared.name)
    for (name, labels), value in sorted(values.items(), key=_exposition_order):
        if name in family_names:
            metrics[family_names[name]].add_sample(name, dict(labels), value)
    return list(metrics.values())


def _sample_names(metric: Metric) -> Iterable[str]:
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return [metric.name + suffix for suffix in suffixes.get(metric.type, ("",))]


def _exposition_order(item: tuple[SampleKey, float]) -> tuple[Labels, str, float]:
    """Buckets of one histogram together and in the order of their bounds."""
    name, labels = item[0]
    bound = dict(labels).get("le")
    others = tuple(pair for pair in labels if pair[0] != "le")
    return others, name, float(bound) if bound else 0.0


def _field(key: SampleKey) -> str:
    return json.dumps(key)


def _key(field: str) -> SampleKey:
    name, labels = json.loads(field)
    return name, tuple((label, value) for label, value in labels)


class CallbackCollector:
    """Families that a function builds at each collection."""

    def __init__(self, build: Callable[[], Iterable[Metric]]) -> None:
        self._build = build

    def collect(self) -> Iterable[Metric]:
        return self._build()
