"""Random histories full of faults lose nothing, do nothing twice and never go backwards.

Three to twelve changes of one to four objects; each event is delivered up to five times, in any
order, one in five not at all. Two to four workers take turns; they die at any point, leases run
out under them, Stripe does not answer now and then. In the end the two nets are drawn through.

A failing history names its seed: ``TOLLGATE_SEED=1234 pytest tests/chaos/test_histories.py``.
``TOLLGATE_HISTORIES=50000`` runs more of them; a run of the whole suite has time for 200.
"""

import logging
import os
from collections.abc import Generator
from itertools import count

import pytest
from django.utils import timezone

from billing.operations import reconcile_steps, reconciliation
from billing.stripe.client import use_transport
from billing.sync import service as sync
from tests.chaos import workers
from tests.chaos.history import History
from tests.chaos.history_checks import check_mirror, check_outbox, check_queue
from tests.chaos.lengths import HISTORIES
from tests.chaos.workers import (
    BEFORE_CLAIM,
    BEFORE_COMMIT,
    CLAIMED,
    POINTS,
    READ,
    STATEMENT,
    STORED,
    Deaths,
    Killed,
    Point,
    Stop,
)
from webhooks.services import catch_up, intake

CHUNK = 100
CHUNKS = -(-HISTORIES // CHUNK)
ONLY = os.environ.get("TOLLGATE_SEED")
CHANGES = (3, 3, 4, 4, 5, 6, 8, 12)
DEATHS = 5
"""A history has at most so many."""
ODDS = {
    BEFORE_CLAIM: 0.08,
    CLAIMED: 0.08,
    READ: 0.16,
    STATEMENT: 0.35,
    BEFORE_COMMIT: 0.18,
    STORED: 0.25,
}
"""How likely a worker dies when it comes to a point, so that each gets its share."""
LAST_STATEMENT = 16
"""A store that is to die at a statement dies at one of the first so many."""
KILLS_PER_POINT = 5
"""In each chunk of a hundred histories."""


@pytest.fixture(autouse=True)
def _quietly() -> Generator[None]:
    """Tens of thousands of log lines would take longer than the histories."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
    use_transport(None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("chunk", range(1 if ONLY else CHUNKS))
def test_random_histories_end_in_agreement_with_stripe(chunk: int) -> None:
    deaths = Deaths()
    seeds = [int(ONLY)] if ONLY else range(chunk, HISTORIES, CHUNKS)
    for seed in seeds:
        try:
            run_history(seed, deaths)
        except BaseException as error:
            error.add_note(f"TOLLGATE_SEED={seed} runs this history alone.")
            raise
    print(f"\nchunk {chunk}: {len(seeds)} histories, killed {dict(deaths.at)}")  # noqa: T201
    print(f"  by statement of the store: {sorted(deaths.statements.items())}")  # noqa: T201
    if not ONLY:
        assert all(deaths.at[point] >= KILLS_PER_POINT for point in POINTS), deaths


def run_history(seed: int, deaths: Deaths) -> None:
    """One history from its first change to the point where nothing moves any more."""
    history = History(seed)
    chance = history.chance
    life = Life(history, deaths)
    for _ in range(chance.choice(CHANGES)):
        history.change()
        for _ in range(chance.randint(0, 5)):
            life.take_step()
    life.process_everything()
    check_mirror(history)
    check_queue(history)
    check_outbox(history)
    history.shop.stripe.world.close()


class Life:
    """Deliveries and workers, in an order that the seed decides."""

    def __init__(self, history: History, deaths: Deaths) -> None:
        self.history = history
        self.chance = history.chance
        self.deaths = deaths
        self.left = DEATHS
        self.post: list[tuple[bytes, str]] = []
        self.workers = [self._hire() for _ in range(self.chance.randint(2, 4))]

    def take_step(self) -> None:
        """One thing happens: mostly a delivery or a step of a worker."""
        self._collect()
        dice = self.chance.random()
        if dice < 0.4 and self.post:
            self._deliver()
        elif dice < 0.93:
            self._step(self.chance.randrange(len(self.workers)))
        elif dice < 0.97:
            workers.expire_leases(account=self.history.account)
        else:
            self.history.shop.stripe.fail("error_before", method="GET", times=3)

    def process_everything(self) -> None:
        """The faults end; what is left is delivered, swept and drained, and nobody dies."""
        self._collect()
        while self.post:
            self._deliver()
            self._step(self.chance.randrange(len(self.workers)))
        self.left = 0
        self.history.shop.stripe.world.faults.clear()
        sweep = self.chance.random()
        if sweep < 0.9:
            catch_up.catch_up(account=self.history.account, at=timezone.now())
        self._drain()
        if sweep >= 0.9:
            self._reconcile()

    def _drain(self) -> None:
        mine = {"account": self.history.account}
        for rounds in count():
            workers.end_waits(**mine)
            if not sync.drain(at=timezone.now()):
                break
            assert rounds < 20, "never comes to rest"
        for thing in self.history.things:
            self.history.never_backwards(thing)

    def _reconcile(self) -> None:
        """Repairs what was dropped; a second pass finds nothing."""
        account = self.history.account
        for finding in reconciliation.compare(account=account, at=timezone.now()):
            reconcile_steps.repair(finding=finding, at=timezone.now())
        assert not list(reconciliation.compare(account=account, at=timezone.now()))

    def _collect(self) -> None:
        """Stripe posts what is new: dropped, or up to five times, in any order."""
        news = self.history.news()
        for event in news:
            if self.chance.random() < 0.2:
                continue
            copies = self.chance.choices((1, 2, 5), weights=(6, 3, 1))[0]
            self.post += [self.history.signed(event)] * copies
        if news:
            self.chance.shuffle(self.post)

    def _deliver(self) -> None:
        body, signature = self.post.pop()
        intake.receive(
            endpoint=self.history.endpoint, body=body, signature=signature, at=timezone.now()
        )

    def _step(self, number: int) -> None:
        try:
            point, stripe_id = next(self.workers[number])
        except Killed:
            self.left -= 1
            self.workers[number] = self._hire()
            return
        if point == STORED:
            for thing in self.history.things:
                if thing.stripe_id == stripe_id:
                    self.history.never_backwards(thing)

    def _hire(self) -> Generator[Stop]:
        return workers.worker(
            batch=self.chance.randint(1, 3),
            fate=self._dies,
            statement=lambda: self.chance.randint(1, LAST_STATEMENT),
            deaths=self.deaths,
        )

    def _dies(self, point: Point) -> bool:
        return self.left > 0 and self.chance.random() < ODDS[point]
