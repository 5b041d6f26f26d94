"""The ratios with their targets, and the report in Markdown."""

import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime

from benchmarks.measurements import Measurements, Ratio
from benchmarks.sizes import RunSize

EMPTY, FULL = "empty", "full"
WARM = "check, warm in the process"
REDIS = "check, warm in Redis"
COUNTED = "check, metered"
COLD = "check, cold"
BATCH = "check, 100 at once"
INGEST = "usage, {} at once (rows)"
CONSUME = "consume"
HTTP_CHECK = "the same check 32 at once, HTTP"
GRPC_CHECK = "the same check 32 at once, gRPC, {} connection(s)"
CHECK_CPU_US = "{}: CPU of the server, µs"
INTAKE = "webhook intake"
RELAY = "relay to two streams"
PULL = "pull by cursor, 500 a page"
PULL_MIDDLE = "pull by cursor from the middle of the history"
WEBHOOKS = "webhooks, 10 of 100 endpoints hang"
OURS = (
    *(WARM, REDIS, COUNTED, COLD, BATCH, INGEST.format(100), INGEST.format(1000), CONSUME, INTAKE),
    *(RELAY, PULL, WEBHOOKS),
)

BARE = "bare view"
PLAIN = "bare WSGI callable"
UNLIMITED = "check, warm in the process, without rate limits"
FASTAPI = "FastAPI + Redis"
BARE_CONSUME = "bare UPDATE … RETURNING view"
COMMITS = "one-row commits, 8 connections"
COPY = "COPY, rows prepared, 2 processes"
JSON = "json_to_recordset, rows prepared, 2 processes"
XADD = "XADD to two streams, commands prepared"
PAGES = "the same pages by SQL alone"
SENDER = "sender of webhooks alone"
DJSTRIPE = "dj-stripe is_subscribed_to"
DJSTRIPE_INTAKE = "dj-stripe, keeping events only"

PROCESSING = "processing, {}, {}"
"""Case and budget; objects per second."""
PROCESSING_CASES = ("unchanged", "changed", "mixed")
SHIPPED, LIFTED = "budget as shipped", "budget lifted"
DJSTRIPE_PROCESSING = "dj-stripe, {}"
MIN_PROCESSING = {"unchanged": 10.0, "changed": 2.0}
"""Targets beside dj-stripe, for both budgets."""
WORKER_CPU = "{}: CPU of the worker, ms per object"
PEER_CPU = "{}: its CPU, ms per event"
DELAY = "delivery → changed answer, {} events/s, {}: p{}, ms"
"""Events per second, accounts, and percentile."""
TEN_ACCOUNTS, ONE_ACCOUNT = "ten accounts", "one account"
SYNC = "sync after checkout, alone, ms"
SYNC_REQUESTS = "sync after checkout: requests to Stripe"
OPEN_REQUESTS = "a checkout after the first: requests to Stripe"
WEB_START, WEB_CPU = "web ready, s", "web ready: CPU of all its processes, s"
CHECK_START, CHECK_CPU = "manage.py check, s", "manage.py check: CPU, s"
WEB_MIB, WORKER_MIB = "largest web process, private MiB", "largest worker child, private MiB"
MAX_COSTS = {
    SYNC: 300.0,
    DELAY.format(100, TEN_ACCOUNTS, 99): 1000.0,
    SYNC_REQUESTS: 3.0,
    OPEN_REQUESTS: 2.0,
    WEB_START: 3.0,
    CHECK_START: 1.5,
    WEB_MIB: 90.0,
    WORKER_MIB: 80.0,
}
"""Targets in the empty database."""

MIN_GROWTH_RATIO = 0.8


def case_name(case: str, world: str = EMPTY) -> str:
    return f"{case} · {world}"


MIN_RATES = {case_name(RELAY): 20_000, case_name(WEBHOOKS): 2_000}
"""Targets per second on a machine of two cores."""


def list_ratios() -> Iterator[Ratio]:
    """All ratios, with their targets."""
    yield Ratio(f"{WARM} : {BARE}", case_name(WARM), BARE, 0.85)
    yield Ratio(f"{WARM} : {PLAIN}", case_name(WARM), PLAIN, 0.6)
    yield Ratio(f"{WARM} : {UNLIMITED}", case_name(WARM), UNLIMITED, 0.97)
    yield Ratio(f"{WARM} : {FASTAPI}", case_name(WARM), FASTAPI, 1.7)
    yield Ratio(f"{WARM} : {DJSTRIPE}", case_name(WARM), DJSTRIPE, 20)
    yield Ratio(f"{REDIS} : {BARE}", case_name(REDIS), BARE, 0.42)
    yield Ratio(f"{REDIS} : {FASTAPI}", case_name(REDIS), FASTAPI, 0.95)
    yield Ratio(f"{REDIS} : {DJSTRIPE}", case_name(REDIS), DJSTRIPE, 9)
    yield Ratio(f"{COUNTED} : {BARE}", case_name(COUNTED), BARE, 0.30)
    yield Ratio(f"{COLD} : {REDIS}", case_name(COLD), case_name(REDIS), 0.35)
    yield Ratio(f"{BATCH} : {REDIS}, answers", case_name(BATCH), case_name(REDIS), 15, factor=100)
    yield Ratio(f"{BATCH} : {WARM}, answers", case_name(BATCH), case_name(WARM), factor=100)
    for connections, target in ((1, 1.0), (8, None), (32, None)):
        grpc = GRPC_CHECK.format(connections)
        yield Ratio(f"{grpc} : HTTP", case_name(grpc), case_name(HTTP_CHECK), target)
    yield Ratio(f"{INTAKE} : {COMMITS}", case_name(INTAKE), COMMITS, 0.8)
    yield Ratio(f"{INTAKE} : {DJSTRIPE_INTAKE}", case_name(INTAKE), DJSTRIPE_INTAKE, 8)
    for size in (100, 1000):
        case, targets = INGEST.format(size), (0.35, 0.60) if size == 1000 else (None, None)
        yield Ratio(f"{case} : {COPY}", case_name(case), COPY, targets[0])
        yield Ratio(f"{case} : {JSON}", case_name(case), JSON, targets[1])
    yield Ratio(f"{CONSUME} : {BARE_CONSUME}", case_name(CONSUME), BARE_CONSUME, 0.8)
    yield Ratio(f"{RELAY} : {XADD}", case_name(RELAY), case_name(XADD), 0.3)
    yield Ratio(f"{PULL} : {PAGES}", case_name(PULL), case_name(PAGES))
    yield from _list_processing_ratios()
    yield Ratio(f"{WEBHOOKS} : {SENDER}", case_name(WEBHOOKS), case_name(SENDER), 0.2)
    for case in (*OURS, *(case for _, case in _processing_cases())):
        yield Ratio(
            f"growth: {case}, full : empty",
            case_name(case, FULL),
            case_name(case),
            MIN_GROWTH_RATIO,
        )
    growth = f"growth: {PULL_MIDDLE}, full : the end of an empty log"
    yield Ratio(growth, case_name(PULL_MIDDLE, FULL), case_name(PULL), MIN_GROWTH_RATIO)


def _list_processing_ratios() -> Iterator[Ratio]:
    for name, case in _processing_cases():
        peer = DJSTRIPE_PROCESSING.format(name)
        yield Ratio(f"{case} : dj-stripe", case_name(case), peer, MIN_PROCESSING.get(name))


def _processing_cases() -> Iterator[tuple[str, str]]:
    """Each case's short name, with what it is called here."""
    for budget in (SHIPPED, LIFTED):
        for name in PROCESSING_CASES:
            yield name, PROCESSING.format(name, budget)


def render_markdown(
    figures: Measurements,
    *,
    size: RunSize,
    machine: str,
    pages: dict[str, Sequence[float]],
    now: datetime,
) -> str:
    """The report: machine and size, a table of ratios, a table of rates."""
    lines = [
        f"Measured on {now:%Y-%m-%d %H:%M} UTC: {machine}; {size}.",
        "",
        "| ratio | median | low | high | target |",
        "|---|---:|---:|---:|---:|",
        *map(_ratio_row, ((ratio, ratio.of(figures)) for ratio in list_ratios())),
        *(
            f"| console {page} with that data, queries | {queries:.0f} | | | < 15 |"
            for page, (queries, _) in pages.items()
        ),
        "",
        "| per second | median | low | high | target |",
        "|---|---:|---:|---:|---:|",
        *(_rate_row(name, figures.median(name), runs) for name, runs in figures.by_name.items()),
        "",
        "| cost | median | low | high | target |",
        "|---|---:|---:|---:|---:|",
        *(_cost_row(name, runs) for name, runs in figures.costs.items()),
    ]
    return "\n".join(lines) + "\n"


def _rate_row(name: str, middle: float, runs: Sequence[float]) -> str:
    target = MIN_RATES.get(name)
    mark = " ✗" if target is not None and middle < target else ""
    minimum = "" if target is None else f"≥ {target:,}"
    return f"| {name} | {middle:,.0f}{mark} | {min(runs):,.0f} | {max(runs):,.0f} | {minimum} |"


def _cost_row(name: str, runs: Sequence[float]) -> str:
    target, middle = MAX_COSTS.get(name.removesuffix(case_name(""))), statistics.median(runs)
    mark = " ✗" if target is not None and middle > target else ""
    limit = "" if target is None else f"≤ {target:,g}"
    return f"| {name} | {middle:,.2f}{mark} | {min(runs):,.2f} | {max(runs):,.2f} | {limit} |"


def _ratio_row(measured: tuple[Ratio, list[float]]) -> str:
    ratio, runs = measured
    target = "" if ratio.target is None else f"≥ {ratio.target:g}"
    if not runs:
        return f"| {ratio.what} | not measured | | | {target} |"
    middle = statistics.median(runs)
    mark = " ✗" if ratio.target is not None and middle < ratio.target else ""
    return f"| {ratio.what} | {middle:.2f}{mark} | {min(runs):.2f} | {max(runs):.2f} | {target} |"
