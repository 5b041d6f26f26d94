"""A reader of the auth service's stream dies or stops anywhere: each message has one effect."""

import pytest

from events.models import OutboxEvent
from projects.models import Project
from tests.chaos.figures import Arrival, Key, compare
from tests.chaos.kills.processes import Forks, step_of
from tests.chaos.kills.roles import INBOUND_STREAM
from tests.chaos.lengths import KILLS
from tests.delivery.bus.streams import Streams
from tests.delivery.inbound.sending import addressed, let_follow
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 4_000
"""More than a reader takes for a batch of five messages."""
USERS = 4


class AuthStream:
    """Messages about four users, each of which changes a name."""

    def __init__(self, project: Project, streams: Streams) -> None:
        self.project, self.streams = project, streams
        self.keys: list[Key] = []
        let_follow(project)

    def send(self, count: int) -> None:
        for _ in range(count):
            version, user = divmod(len(self.keys), USERS)
            name = f"user{user} {version + 1}"
            body = addressed(
                self.project, name, "updated", version + 1, user_id=f"user{user}", name=name
            )
            self.streams.client.xadd(INBOUND_STREAM, {"body": body})
            self.keys.append((f"user{user}", version + 1))

    def arrivals(self) -> list[Arrival]:
        """The changes of customers, as their events tell."""
        rows = OutboxEvent.objects.for_project(self.project).order_by("pk")
        named = [(row.data["name"].partition(" "), row.pk) for row in rows if "name" in row.data]
        return [Arrival(user, int(number), pk) for (user, _, number), pk in named]

    def is_read(self) -> bool:
        return {each[:2] for each in self.arrivals()} >= set(self.keys)

    def publish(self, run: str, size: str) -> None:
        wait_until(self.is_read, "Messages have had no effect")
        compare(self.keys, self.arrivals(), run=run, size=size).publish()


@pytest.fixture
def auth_stream(project: Project, streams: Streams) -> AuthStream:
    return AuthStream(project, streams)


def test_killed_at_every_step(auth_stream: AuthStream, streams: Streams, forks: Forks) -> None:
    url = streams.server.url()
    for kill in range(KILLS):
        auth_stream.send(5)
        forks.kill_at("inbound", url, step=step_of(kill, STEPS))
    with forks.running("inbound", url):
        auth_stream.publish("inbound reader killed", f"{KILLS} kills")


def test_frozen_at_every_step_while_another_one_reads(
    auth_stream: AuthStream, streams: Streams, forks: Forks
) -> None:
    url = streams.server.url()
    with forks.running("inbound", url):
        for freeze in range(KILLS):
            auth_stream.send(5)
            step = step_of(freeze, STEPS)
            forks.freeze_at("inbound", url, step=step, meanwhile=lambda: auth_stream.send(5))
        auth_stream.publish("inbound reader frozen, another one works", f"{KILLS} freezes")
