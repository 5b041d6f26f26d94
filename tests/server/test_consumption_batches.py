"""Uses that arrive together are counted in one transaction, as if each had come alone."""

import asyncio
from typing import Any

import orjson
import pytest
from django.db import connection

from config.server.application import Application
from events.models import OutboxEvent
from projects.models import Project
from tests.server.metered_project import key_with_limit
from tests.server.server_requests import (
    DISCONNECT,
    REFUSE,
    run_with_application,
    send,
    when_bad_rows_commit,
)
from tests.waiting import wait_until
from tests.wsgi_calls import CONSUME, drop_local_caches
from usage.models import Counter

pytestmark = [
    pytest.mark.django_db(transaction=True),
]
LIMIT = 100
BAD_USE = ("usage_counter", f"NEW.used = {LIMIT}")
Answers = list[tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def empty_local_caches() -> None:
    drop_local_caches()


@pytest.fixture
def key(project: Project) -> str:
    return key_with_limit(project, limit=LIMIT)


async def use(app: Application, api_key: str, /, **members: Any) -> tuple[int, dict[str, Any]]:
    body = orjson.dumps({"feature": "api", **members})
    answer = await send(app, CONSUME, body, authorization=f"Bearer {api_key}", x_request_id="job-7")
    return answer[0], answer[2]


def consume_together(*uses: tuple[str, dict[str, Any]]) -> Answers:
    """Send uses (key, members of the body) at the same moment, after two uses of each user."""

    async def story(app: Application) -> Answers:
        for key, user_id in sorted({(key, members["user_id"]) for key, members in uses}):
            for _ in range(2):  # the second finds the customer, and its terms are remembered
                assert (await use(app, key, user_id=user_id))[0] == 200
        return await asyncio.gather(*(use(app, key, **members) for key, members in uses))

    answers: Answers = run_with_application(story)
    return answers


def largest_transaction() -> int:
    """Most records whose keys were committed in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(count) FROM (SELECT count(*) FROM usage_recordkey GROUP BY xmin::text) AS t"
        )
        return int(cursor.fetchone()[0])


def used(project: Project) -> dict[str, int]:
    counters = Counter.objects.for_project(project)
    return {user_id: int(n) for user_id, n in counters.values_list("customer__user_id", "used")}


def test_uses_of_projects_and_users_that_arrive_together_are_counted_for_each(
    key: str, project: Project, other_project: Project
) -> None:
    other_key = key_with_limit(other_project, limit=LIMIT)
    answers = consume_together(
        *((key, {"user_id": f"u{number}", "amount": number}) for number in range(1, 6)),
        (other_key, {"user_id": "u1", "amount": 50}),
    )
    assert [(status, body["used"], body["consumed"]) for status, body in answers] == [
        *((200, 2 + number, number) for number in range(1, 6)),
        (200, 52, 50),
    ]
    assert used(project) == {f"u{number}": 2 + number for number in range(1, 6)}
    assert used(other_project) == {"u1": 52}


def test_uses_of_several_users_share_a_transaction(key: str) -> None:
    """As soon as the machine is fast enough for what is remembered for a second."""
    uses = [(key, {"user_id": user_id}) for user_id in ("ada", "ben")]

    def do_share() -> bool:
        consume_together(*uses)
        return largest_transaction() == 2

    wait_until(do_share)


def test_uses_of_one_customer_never_pass_the_limit(key: str, project: Project) -> None:
    answers = consume_together(*[(key, {"user_id": "ada", "amount": 20})] * 10)
    assert sorted(body["consumed"] for _, body in answers) == [0] * 6 + [20] * 4
    assert {status for status, _ in answers} == {200}
    assert used(project) == {"ada": 82}
    events = OutboxEvent.objects.across_projects().filter(type="usage.threshold_reached")
    assert [event.cause_id for event in events] == ["job-7"]


def test_a_key_counts_once_also_within_a_batch(key: str, project: Project) -> None:
    one, other = {"user_id": "ada", "key": "k"}, {"user_id": "ada", "key": "k", "amount": 2}
    answers = consume_together((key, one), (key, one), (key, other), (key, {"user_id": "ben"}))
    assert [status for status, _ in answers] == [200, 200, 409, 200]
    assert sorted(body["duplicate"] for _, body in answers[:2]) == [False, True]
    assert used(project) == {"ada": 3, "ben": 3}


def test_a_use_that_cannot_be_committed_fails_alone(key: str, project: Project) -> None:
    good, bad = {"user_id": "ada"}, {"user_id": "bad", "amount": LIMIT - 2}
    with when_bad_rows_commit(REFUSE, *BAD_USE):
        answers = consume_together((key, good), (key, bad), (key, {"user_id": "ben"}))
    assert [status for status, _ in answers] == [200, 500, 200]
    assert used(project) == {"ada": 3, "bad": 2, "ben": 3}


def test_a_connection_that_breaks_in_the_commit_counts_nothing(key: str, project: Project) -> None:
    good, bad = {"user_id": "ada"}, {"user_id": "bad", "amount": LIMIT - 2}
    with when_bad_rows_commit(DISCONNECT, *BAD_USE):
        answers = consume_together((key, good), (key, bad))
    assert [status for status, _ in answers] == [503, 503]
    assert used(project) == {"ada": 2, "bad": 2}


def test_an_unusual_use_is_answered_by_a_thread(key: str, project: Project) -> None:
    answers = consume_together(
        (key, {"user_id": "ada"}),
        (key, {"user_id": "ada", "surprise": 1}),
        (key, {"user_id": "ada", "feature": "nothing"}),
        (key, {"user_id": "ada", "amount": LIMIT}),
    )
    assert [status for status, _ in answers] == [200, 422, 200, 200]
    assert [answers[number][1]["reason"] for number in (2, 3)] == [
        "unknown_feature",
        "limit_reached",
    ]
    assert used(project) == {"ada": 3}
