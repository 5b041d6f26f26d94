"""``python -m benchmarks.skewed_tenants``: a thousand tenants of very different size in the queues.

Objects to read at Stripe, and webhooks to send, are made due for 1,000 tenants of one shared Stripe
account: the first has half of them, the others what Zipf's law gives them. Then the product's own
claims take one batch after the other, at the pace of Stripe's reads, and it is counted how long
each tenant's first and last object waits. Prints waiting times by size of the tenant, and how long
the claims themselves take. Nothing is read at Stripe. Exit code 1 if an object is claimed twice or
never.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.bench_servers import BenchServers
from benchmarks.sizes import QUICK

TENANTS, OBJECTS = 1000, 20_000
GIANT = 0.5
"""Share of the first tenant."""
EXPONENT = 1.1
KINDS = ("invoice", "payment_intent", "subscription")
READS_PER_SECOND = 10
"""The background's share of a test account; a live account's limit is often higher."""
SMALL = 20
"""A tenant with so few objects is small."""


@dataclass(frozen=True, slots=True)
class ClaimedObject:
    """An object of a tenant, and at which place it was claimed."""

    tenant: int
    place: int


def tenant_sizes(tenants: int, objects: int) -> list[int]:
    """How many objects each tenant has: half of them the first, the others by Zipf's law, each at
    least one."""
    giant = round(objects * GIANT)
    weights = [1 / rank**EXPONENT for rank in range(1, tenants)]
    rest = (objects - giant) / sum(weights)
    return [giant, *(max(1, round(weight * rest)) for weight in weights)]


def insert_due_objects(
    connection: psycopg.Connection[Any], sizes: Sequence[int], *, account_id: str, knows: bool
) -> int:
    """Make each tenant's objects due; the giant's have been due for longest. Returns how many.
    ``knows``: whether the queue knows whose they are."""
    rows = [
        (tenant, number, KINDS[number % len(KINDS)])
        for tenant, size in enumerate(sizes)
        for number in range(size)
    ]
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY billing_syncobject (account_id, kind, stripe_id, lane, requested, applied, "
            "epoch, attempts, next_try_at, foreign_customer, last_error) FROM STDIN"
        ) as copy,
    ):
        for tenant, number, kind in rows:
            due = f"2026-01-01T00:{min(59, tenant // 60):02d}:{tenant % 60:02d}+00"
            name = f"{kind}_{tenant:04d}_{number:06d}"
            copy.write_row(
                (
                    account_id,
                    kind,
                    name,
                    f"prj_{tenant:04d}" if knows else "",
                    1,
                    0,
                    0,
                    0,
                    due,
                    "",
                    "",
                )
            )
    connection.execute("ANALYZE billing_syncobject")
    return len(rows)


def claim_all(*, batch: int) -> tuple[list[ClaimedObject], list[float]]:
    """Claim and complete until nothing is due, with the product's own functions. Returns the
    objects in their order, and the milliseconds of each claim."""
    from django.utils import timezone  # noqa: PLC0415  # Django is set up only now

    from billing.sync import sync_queue  # noqa: PLC0415

    claimed: list[ClaimedObject] = []
    times: list[float] = []
    while True:
        started = time.perf_counter()
        leases = sync_queue.claim_due(limit=batch)
        times.append((time.perf_counter() - started) * 1000)
        if not leases:
            return claimed, times
        for lease in leases:
            tenant = int(lease.stripe_id.split("_")[-2])
            claimed.append(ClaimedObject(tenant, len(claimed)))
            sync_queue.complete_without_change(lease, at=timezone.now())


def first_places(claimed: Sequence[ClaimedObject]) -> dict[int, int]:
    """The place of each tenant's first object."""
    return {each.tenant: each.place for each in reversed(claimed)}


def last_places(claimed: Sequence[ClaimedObject]) -> dict[int, int]:
    """The place of each tenant's last object."""
    return {each.tenant: each.place for each in claimed}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    with BenchServers(QUICK, log) as servers:
        world = servers.empty()
        run = servers.shell(world, _SCRIPT.format(options.tenants, options.objects))
    print(run.strip())
    return 0 if "WRONG" not in run else 1


_SCRIPT = """
from benchmarks import skewed_tenants, skewed_webhooks
sizes = skewed_tenants.tenant_sizes({}, {})
skewed_tenants.simulate(sizes)
skewed_webhooks.simulate(sizes)
"""


def simulate(sizes: Sequence[int]) -> None:
    """Fill the queue of the database of this process, empty it, and print what was seen."""
    from django.db import connection  # noqa: PLC0415

    from billing.models import StripeAccount, SyncObject  # noqa: PLC0415

    account = StripeAccount.objects.first()
    if account is None:
        account = StripeAccount.objects.create(stripe_id="acct_skewed", livemode=False)
    connection.ensure_connection()
    for knows in (True, False):
        SyncObject.objects.all().delete()
        total = insert_due_objects(connection.connection, sizes, account_id=account.pk, knows=knows)
        claimed, times = claim_all(batch=20)
        print("Whose they are is known." if knows else "Nothing is known of them yet.")
        print(render(sizes, claimed, times))
        if Counter(each.tenant for each in claimed) != Counter(dict(enumerate(sizes))):
            print(f"WRONG: {total} objects were due, {len(claimed)} were claimed")


def render(sizes: Sequence[int], claimed: Sequence[ClaimedObject], times: Sequence[float]) -> str:
    """Waiting times in seconds at Stripe's pace, by size of the tenant."""
    first, last = first_places(claimed), last_places(claimed)
    groups = {
        f"the giant ({sizes[0]:,} objects)": [0],
        "the next ten": list(range(1, 11)),
        f"with {SMALL} objects or fewer": [n for n, size in enumerate(sizes) if size <= SMALL],
    }
    lines = [
        f"{sum(sizes):,} objects of {len(sizes)} tenants, {READS_PER_SECOND} reads a second",
        "| tenants | number | first object waits | last object waits, median | longest |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, tenants in groups.items():
        if tenants:
            lasts = sorted(last[each] / READS_PER_SECOND for each in tenants)
            longest = max(first[each] for each in tenants) / READS_PER_SECOND
            lines.append(
                f"| {name} | {len(tenants)} | ≤ {longest:,.0f} s "
                f"| {statistics.median(lasts):,.0f} s | {lasts[-1]:,.0f} s |"
            )
    early = statistics.median(itertools.islice(times, 20))
    lines.append(
        f"A claim of 20: {early:.1f} ms with all tenants due, "
        f"{statistics.median(times):.1f} ms in the median."
    )
    return "\n".join(lines)


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skewed_tenants")
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
