"""A lane that computes without a pause leaves CPU time to quiet ones, and to them only."""

from hypothesis import given
from hypothesis import strategies as st

from common.cpu_shares import BURST, DEBT, PRESENCE, SHARE, CpuShares

JOB = 0.02
"""CPU seconds of one job, the loud lane's only user of an otherwise free CPU."""


def work(shares: CpuShares, lane: str, *, since: float, until: float, quiet: list[float]) -> float:
    """Let the lane compute one job after the other; the quiet lane's requests come at the times.
    Returns the CPU seconds that the lane got."""
    now, used = since, 0.0
    quiet = sorted(quiet)
    while now < until:
        while quiet and quiet[0] <= now:
            shares.note("quiet", at=quiet.pop(0))
        shares.note(lane, at=now)
        wait = shares.wait(lane, at=now)
        if wait:
            now = min([now + max(wait, 1e-6), *quiet[:1]])
        else:
            now += JOB
            used += JOB
            shares.charge(lane, JOB, at=now)
    return used


@given(st.lists(st.floats(0, 20), max_size=3).map(lambda times: [*times, *range(21)]))
def test_beside_a_quiet_lane_a_loud_one_gets_its_share(times: list[float]) -> None:
    """Linux's bound for a group: its share of the time, and once what it may save up."""
    used = work(CpuShares(), "loud", since=0, until=20, quiet=[each * 0.99 for each in times])
    assert used <= BURST + SHARE * 20 + 2 * JOB
    assert used >= SHARE * 20 - JOB, "It gets its share."


def test_alone_it_gets_all() -> None:
    assert work(CpuShares(), "loud", since=0, until=20, quiet=[]) >= 20


def test_it_gets_all_once_the_others_have_left() -> None:
    shares = CpuShares()
    work(shares, "loud", since=0, until=10, quiet=list(range(10)))
    shares.note("quiet", at=10)
    assert 0 < shares.wait("loud", at=10) <= PRESENCE
    assert shares.wait("loud", at=10 + PRESENCE) == 0


def test_loud_lanes_do_not_wait_for_one_another() -> None:
    shares = CpuShares()
    for lane in ("a", "b"):
        shares.note(lane, at=0)
        shares.charge(lane, 5, at=0)
    assert shares.wait("a", at=0) == shares.wait("b", at=0) == 0


@given(st.floats(0, BURST))
def test_a_lane_within_its_share_never_waits(seconds: float) -> None:
    shares = CpuShares()
    shares.charge("a", seconds, at=0)
    shares.note("quiet", at=0)
    assert shares.wait("a", at=0) == 0


def test_quiet_lanes_matter_until_what_was_used_is_made_up_for() -> None:
    shares = CpuShares()
    shares.charge("a", BURST, at=0)
    assert not shares.is_any_loud(at=0)
    shares.charge("a", 3, at=0)
    assert shares.is_any_loud(at=3 / SHARE - 0.01)
    assert not shares.is_any_loud(at=3 / SHARE + 0.01)


def test_hours_alone_are_not_paid_for_when_a_quiet_lane_comes() -> None:
    """A tenant that imports all night goes on in the morning, at its share."""
    shares = CpuShares()
    work(shares, "loud", since=0, until=1000, quiet=[])
    morning = [1000 + number / 2 for number in range(40)]
    used = work(shares, "loud", since=1000, until=1020, quiet=morning)
    assert used >= SHARE * 20 - DEBT - 2 * JOB
    assert used <= SHARE * 20 + 2 * JOB


def test_requests_that_wait_for_the_share_do_not_start_together() -> None:
    shares = CpuShares()
    shares.charge("loud", BURST, at=0)
    shares.note("quiet", at=0)
    shares.charge("loud", JOB, at=0)
    free = shares.wait("loud", at=0)
    assert free > 0
    shares.note("quiet", at=free)
    assert shares.wait("loud", at=free + 0.001) == 0
    assert shares.wait("loud", at=free + 0.001, running=1) > 0
    assert shares.wait("quiet", at=free, running=8) == 0


def test_requests_that_only_wait_do_not_stop_their_lane_for_long() -> None:
    """Eight requests wait for Stripe, after one that computed: what they may need counts until the
    lane's share has made up for that one."""
    shares = CpuShares()
    shares.charge("a", BURST, at=0)
    made_up = BURST / SHARE
    for at in (made_up - 0.01, made_up + 0.01):
        shares.note("quiet", at=at)
        wait = shares.wait("a", at=at, running=8)
        assert (wait > 0) == (at < made_up)
