"""A sender of mail that dies anywhere: every message is sent once, or a person is asked."""

import re

import pytest

from delivery.models import Notification
from projects.models import Customer
from tests.chaos.figures import Arrival, compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.lengths import KILLS
from tests.delivery.mail.notices import NOW, credits_low, turn_on
from tests.delivery.mail.smtp_server import SmtpServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 2_000
"""More than planning and sending three messages take."""
BATCH = 3
MESSAGE_ID = re.compile(r"^Message-ID: <(\w+)@", re.MULTILINE)


def test_killed_at_every_step(ada: Customer, smtp: SmtpServer, forks: Forks) -> None:
    turn_on(ada.project)
    for kill in range(KILLS):
        for number in range(BATCH):
            credits_low(ada, kill * BATCH + number)
        forks.kill_at("mail", str(smtp.port), step=step_of(kill, STEPS))
        end_leases(ada)
    with forks.running("mail", str(smtp.port)):
        wait_until(lambda: states(ada) <= {"sent", "unknown"} and count(ada) == KILLS * BATCH)
    publish(ada, smtp)


def end_leases(customer: Customer) -> None:
    """As if the time of the dead process's leases had passed."""
    rows = Notification.objects.for_project(customer.project)
    rows.filter(leased_until__isnull=False).update(leased_until=NOW)


def count(customer: Customer) -> int:
    return Notification.objects.for_project(customer.project).count()


def states(customer: Customer) -> set[str]:
    rows = Notification.objects.for_project(customer.project)
    return set(rows.values_list("state", flat=True))


def publish(customer: Customer, smtp: SmtpServer) -> None:
    """A message is known by its event, and its copies by their Message-ID."""
    rows = list(Notification.objects.for_project(customer.project))
    keys = {row.pk: ("", number) for number, row in enumerate(rows)}
    ids = [match[1] for match in map(MESSAGE_ID.search, smtp.messages) if match]
    assert len(ids) == len(smtp.messages)
    assert len({row.source for row in rows}) == len(rows)
    unknown = {keys[row.pk] for row in rows if row.state == "unknown"}
    compare(
        keys.values(),
        [Arrival(*keys[each], each) for each in ids],
        run="mail sender killed",
        size=f"{KILLS} kills",
        may_miss=unknown,
        note=f"{len(unknown)} left to a person",
    ).publish()
