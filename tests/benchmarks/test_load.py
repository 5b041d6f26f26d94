"""``make load`` measures what it says: percentiles, fairness, growth of memory, and arrivals."""

import itertools
from datetime import UTC, datetime

import pytest

from benchmarks import skewed_tenants
from benchmarks.load.arrivals import arrivals
from benchmarks.load.fairness import path_results
from benchmarks.load.kinds import KINDS, LoadPath, TenantKind
from benchmarks.load.latencies import LatencyHistogram, added_up
from benchmarks.load.memory import MemorySeries
from benchmarks.load.results import LoadResults, render_markdown
from benchmarks.load.tenant_record import TenantRecord
from benchmarks.load.tenants import LoadTenant


def tenant(number: int) -> LoadTenant:
    return LoadTenant(
        number=number,
        kind=KINDS[number % len(KINDS)],
        project=f"prj_{number}",
        key="key",
        prices=("price_1",),
        product_stripe_id="prod_1",
    )


def record(*milliseconds: float) -> TenantRecord:
    tenant_record = TenantRecord()
    for each in milliseconds:
        tenant_record.measured(LoadPath.CHECK, each)
    return tenant_record


def test_a_percentile_is_right_to_five_percent_and_never_too_small() -> None:
    histogram = LatencyHistogram()
    for number in range(1, 1001):
        histogram.add(number)
    for percent, exact in ((50, 500), (95, 950), (99, 990), (100, 1000)):
        assert exact <= histogram.percentile(percent) <= exact * 1.05
    assert LatencyHistogram().percentile(99) == 0
    again = LatencyHistogram.from_json(histogram.as_json())
    assert added_up([histogram, again]).total == 2000


def test_the_memory_of_a_histogram_is_bounded() -> None:
    histogram = LatencyHistogram()
    for exponent in range(-9, 30):
        histogram.add(10.0**exponent)
    assert max(histogram.counts) == 320


def test_fairness_is_the_slowest_beside_the_fastest_of_those_who_sent_enough() -> None:
    records = [record(*[10] * 100), record(*[30] * 100), record(500)]
    [result] = path_results(records)
    assert (result.path, result.requests, result.tenants) == (LoadPath.CHECK, 201, 3)
    assert result.spread_p99 == pytest.approx(3, rel=0.06)
    assert not result.is_fair
    assert result.chance_p99 == pytest.approx(1)


def test_memory_is_flat_without_its_warm_up() -> None:
    flat = MemorySeries([(at, 100.0 if at > 200 else at / 2) for at in range(0, 600, 10)])
    assert (flat.per_ten_minutes, flat.is_flat) == (0, True)
    growing = MemorySeries([(at, 100 + at / 10) for at in range(0, 600, 10)])
    assert growing.per_ten_minutes == pytest.approx(60)
    assert not growing.is_flat


def test_each_kind_sends_at_its_rates_and_the_same_seed_the_same() -> None:
    tenants = [tenant(number) for number in range(8)]
    sent = list(arrivals(tenants, seconds=300, rate=1, seed=1))
    assert sent == list(arrivals(tenants, seconds=300, rate=1, seed=1))
    assert all(one.at <= other.at for one, other in itertools.pairwise(sent))
    checks = sum(each.path == LoadPath.CHECK for each in sent)
    assert 4800 * 0.9 < checks < 4800 * 1.1
    consumers = {each.tenant for each in sent if each.path == LoadPath.CONSUME}
    assert {tenants[place].kind for place in consumers} == {TenantKind.METERED}


def test_the_table_names_the_conditions_and_what_is_wrong() -> None:
    results = LoadResults(
        began_at=datetime(2026, 11, 24, 21, tzinfo=UTC),
        tenants=2,
        seconds=60,
        load_average=(1.0, 2.5),
        paths=path_results([record(*[10] * 100), record(*[30] * 100)]),
        memory={"web": MemorySeries([(0, 100), (10, 100), (20, 100)])},
        errors={"check: 503": 3},
        drained_seconds=2,
        left={},
        mistakes=["tenant 1: events of u1: sent 2, stored 1"],
    )
    text = render_markdown(results)
    assert "2 tenants, 1 minutes; load average 1.0 before and 2.5 during" in text
    assert "| check | 200 | 3.3 |" in text
    assert "✗" in text
    assert "| web | 100 | +0.0 | flat |" in text
    assert "Errors: 3. Backlog: all queues empty 2 s after the last request. Wrong data: 1." in text
    assert not results.is_right


def test_the_skew_is_half_for_one_and_at_least_one_for_all() -> None:
    sizes = skewed_tenants.tenant_sizes(1000, 20_000)
    assert (len(sizes), sizes[0], min(sizes)) == (1000, 10_000, 1)
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
