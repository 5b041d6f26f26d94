"""Each usage record counts once, however often and in whichever order it is sent."""

import random
from datetime import timedelta
from itertools import product

import pytest

from events.models import OutboxEvent
from projects.customers import selectors as customers
from projects.customers.service import CustomerDeleted
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.factories.usage import NOW, MeterFactory
from tests.usage import law
from tests.usage.records.record_calls import (
    PERIODS,
    entry,
    make_counters,
    meters_of_every_kind,
    record_entries,
)
from usage.errors import (
    MeterArchived,
    MeterUnknown,
    UsageInFuture,
    UsageKeyReused,
    UsageTooOld,
    UsageValueInvalid,
)
from usage.models import Record, Total
from usage.models.meter import Aggregation
from usage.periods import Period, Unit
from usage.records import corrections
from usage.records.entry_checks import MAX_VALUE
from usage.records.recording import RecordResult, RecordStatus, UsageEntry
from usage.totals.selectors.counting import CounterAmounts, CounterKey, read_usage

pytestmark = pytest.mark.django_db


HOUR, MICROSECOND = timedelta(hours=1), timedelta(microseconds=1)


def refusal_types(outcomes: list[RecordResult]) -> list[type | None]:
    return [None if each.refusal is None else type(each.refusal) for each in outcomes]


def test_a_record_counts_once_whoever_sends_it_again(project: Project) -> None:
    meter = MeterFactory.create(project=project, code="bytes")
    first = UsageEntry("ada", "bytes", 5, NOW, "k1")
    others = [
        first._replace(value=6),
        first._replace(user_id="bob"),
        first._replace(occurred_at=NOW - MICROSECOND),
    ]

    recorded, alone, again, *clash = record_entries(
        project, first, UsageEntry("ada", "bytes", 7), first, *others
    )
    later = [outcome for _ in range(5) for outcome in record_entries(project, first, *others)]

    assert [recorded.status, alone.status, again] == [RecordStatus.RECORDED] * 2 + [
        RecordResult(RecordStatus.DUPLICATE, recorded.id)
    ]
    assert refusal_types(clash) == [UsageKeyReused] * 3
    assert later[::4] == [RecordResult(RecordStatus.DUPLICATE, recorded.id)] * 5
    assert refusal_types(later[1:4]) == [UsageKeyReused] * 3
    without_a_moment = record_entries(project, first._replace(occurred_at=None))
    assert without_a_moment == [RecordResult(RecordStatus.DUPLICATE, recorded.id)]
    ada = customers.get(project=project, user_id="ada")
    month = CounterKey(ada.pk, meter.pk, Period(Unit.MONTH))
    assert read_usage(project_id=project.pk, keys=[month], at=NOW) == {month: CounterAmounts(12, 0)}
    assert law.is_kept(project)


def test_a_key_belongs_to_its_project(project: Project, other_project: Project) -> None:
    for each in (project, other_project):
        MeterFactory.create(project=each, code="bytes")
    one = UsageEntry("ada", "bytes", 5, NOW, "k1")

    (mine,), (other,) = record_entries(project, one), record_entries(other_project, one)

    assert (mine.status, other.status) == (RecordStatus.RECORDED, RecordStatus.RECORDED)
    assert mine.id != other.id
    assert Total.objects.for_project(project).get().sum == 5


def test_a_neighbours_meter_counts_nothing(project: Project, other_project: Project) -> None:
    MeterFactory.create(project=other_project, code="bytes")
    (refused,) = record_entries(project, UsageEntry("ada", "bytes", 5, NOW, "k1"))
    assert refusal_types([refused]) == [MeterUnknown]
    assert not Total.objects.across_projects().exists()


def test_each_record_is_judged_for_itself_and_a_refused_one_leaves_nothing(
    project: Project,
) -> None:
    kinds = meters_of_every_kind(project)
    MeterFactory.create(project=project, code="old", archived_at=NOW)
    gone = CustomerFactory.create(project=project, user_id="gone", deleted_at=NOW)
    late, early = timedelta(days=35), timedelta(minutes=5)
    judged = [
        (UsageEntry("nobody-1", "unheard-of", 1), MeterUnknown),
        (UsageEntry("nobody-2", "old", 1), MeterArchived),
        (UsageEntry("nobody-3", "sum", 1, NOW + early + MICROSECOND), UsageInFuture),
        (UsageEntry("nobody-4", "sum", 1, NOW - late - MICROSECOND), UsageTooOld),
        *(
            (UsageEntry("nobody-5", "sum", wrong), UsageValueInvalid)
            for wrong in (-1, MAX_VALUE + 1)
        ),
        *((UsageEntry("nobody-6", "max", wrong), UsageValueInvalid) for wrong in (None, "7")),
        *(
            (UsageEntry("nobody-7", "unique", wrong), UsageValueInvalid)
            for wrong in (7, "", "x" * 256)
        ),
        (UsageEntry(gone.pk, "sum", 1), CustomerDeleted),
        (UsageEntry("ada", "sum", 1, NOW + early), None),
        (UsageEntry("ada", "sum", MAX_VALUE, NOW - late), None),
        (UsageEntry("ada", "count", "of no account"), None),
        (UsageEntry("ada", "unique", "x" * 255), None),
        (UsageEntry("ada", "last", 0), None),
    ]

    outcomes = record_entries(project, *(each for each, _ in judged))

    assert refusal_types(outcomes) == [refusal for _, refusal in judged]
    assert all(each.refusal.detail for each in outcomes if each.refusal)
    events = OutboxEvent.objects.for_project(project).values_list("type", "data__user_id")
    assert list(events) == [("customer.created", "ada")]
    assert Record.objects.for_project(project).count() == 5
    assert Total.objects.for_project(project).filter(meter=kinds["sum"]).count() == 2
    assert law.is_kept(project)


def test_a_batch_is_judged_like_single_records(project: Project) -> None:
    """One of an unknown meter makes a batch be judged one by one."""
    meters_of_every_kind(project)
    values = [None, -1, 0, MAX_VALUE, MAX_VALUE + 1, True, "", "x", "x" * 255, "x" * 256]
    moments = [NOW + timedelta(minutes=5), NOW + timedelta(minutes=5, microseconds=1)]
    odd = UsageEntry("ada", "unheard-of", 1)
    for kind, value in product(Aggregation.values, values):
        one = UsageEntry("ada", kind, value)
        (alone,), (beside, _) = record_entries(project, one), record_entries(project, one, odd)
        assert refusal_types([alone]) == refusal_types([beside]), one
    for one in (UsageEntry("ada", "sum", 1, moment) for moment in moments):
        (alone, _), (beside, *_) = (
            record_entries(project, one, one),
            record_entries(project, one, odd),
        )
        assert refusal_types([alone]) == refusal_types([beside]), one
    assert law.is_kept(project)


@pytest.mark.parametrize("seed", range(3))
def test_each_entry_of_a_mixed_batch_gets_the_result_it_would_get_alone(
    project: Project, other_project: Project, seed: int
) -> None:
    """Refused, erased, repeated and clashing entries at any position, some of them recorded before:
    in one project all at once, in the other one after the other."""
    chance = random.Random(seed)
    results = []
    for each in (project, other_project):
        kinds = meters_of_every_kind(each)
        gone = CustomerFactory.create(project=each, user_id="gone", deleted_at=NOW)
        chance.seed(seed)
        pool = [entry(chance, chance.choice(list(kinds))) for _ in range(80)]
        odd = [
            UsageEntry(gone.pk, "sum", 1, key="of the erased"),
            UsageEntry("ada", "unheard-of", 1),
            UsageEntry("ada", "max", -1),
            UsageEntry("ada", "last", 1, NOW - timedelta(days=36)),
            *(one._replace(user_id="somebody else") for one in pool[:5]),
            *(one._replace(occurred_at=None) for one in pool[5:10]),
        ]
        record_entries(each, *chance.sample(pool, 10))
        batch = [*pool, *odd, *chance.sample(pool, 10)]
        chance.shuffle(batch)
        if each is project:
            outcomes = record_entries(each, *batch)
        else:
            outcomes = [record_entries(each, one)[0] for one in batch]
        results.append([(outcome.status, type(outcome.refusal)) for outcome in outcomes])
        stored_ids = {row.id for row in Record.objects.for_project(each)}
        assert {outcome.id for outcome in outcomes if outcome.refusal is None} <= stored_ids
        assert all(bool(outcome.id) != bool(outcome.refusal) for outcome in outcomes)
        assert law.is_kept(each)
    assert results[0] == results[1]


def test_sums_do_not_overflow_and_an_id_of_ours_names_the_same_user(project: Project) -> None:
    meter = MeterFactory.create(project=project, code="bytes")
    record_entries(project, UsageEntry("ada", "bytes", MAX_VALUE))
    ada = customers.get(project=project, user_id="ada")

    for _ in range(3):
        record_entries(project, *[UsageEntry(ada.pk, "bytes", MAX_VALUE)] * 1000)

    month = CounterKey(ada.pk, meter.pk, Period(Unit.MONTH))
    assert read_usage(project_id=project.pk, keys=[month], at=NOW)[month].used == 3001 * MAX_VALUE
    assert Customer.objects.for_project(project).count() == 1


def test_late_records_count_in_their_own_period(project: Project) -> None:
    """Scenario E9: a closed hour, day or month takes what is late, and the running one does not."""
    meter = MeterFactory.create(project=project, code="bytes")
    record_entries(project, UsageEntry("ada", "bytes", 1))
    make_counters(project, {"bytes": meter}, PERIODS)
    last_month, yesterday = NOW - timedelta(days=21), NOW - timedelta(days=1)

    record_entries(
        project,
        UsageEntry("ada", "bytes", 10, last_month),
        UsageEntry("ada", "bytes", 100, yesterday),
    )

    ada = customers.get(project=project, user_id="ada")
    running = {
        period: read_usage(
            project_id=project.pk, keys=[CounterKey(ada.pk, meter.pk, period)], at=NOW
        )
        for period in PERIODS
    }
    figures = [
        key_of_period[CounterKey(ada.pk, meter.pk, period)].used
        for period, key_of_period in running.items()
    ]
    assert figures == [1, 1, 101, 101, 111, 111, 101]
    month = CounterKey(ada.pk, meter.pk, Period(Unit.MONTH))
    closed = read_usage(project_id=project.pk, keys=[month], at=last_month, now=NOW)
    assert closed == {month: CounterAmounts(10, 0)}
    assert law.is_kept(project)


@pytest.mark.parametrize("seed", range(2))
def test_totals_and_counters_follow_random_histories(project: Project, seed: int) -> None:
    """Batches with duplicates, counters made in between, voids and corrections of any of it."""
    chance, kinds = random.Random(seed), meters_of_every_kind(project)
    ids: list[str] = []
    for _ in range(4):
        batch = [entry(chance, chance.choice(list(kinds))) for _ in range(40)]
        outcomes = record_entries(project, *batch, *chance.sample(batch, 10))
        assert [each.status for each in outcomes[40:]] == [RecordStatus.DUPLICATE] * 10
        ids += [each.id for each in outcomes[:40]]
        make_counters(project, kinds, chance.sample(PERIODS, 1))
        for record_id in chance.sample(ids, 5):
            row = Record.objects.for_project(project).get(id=record_id)
            if row.voided_at is None and row.meter.aggregation not in ("count", "unique"):
                corrections.correct(project=project, record_id=row.id, value=77, at=NOW)
            else:
                corrections.void(project=project, record_id=row.id, at=NOW)
        assert law.is_kept(project)
