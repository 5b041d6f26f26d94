"""Events that arrive together are committed together, and behave as if each had come alone."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from billing.models import StripeAccount, StripeEndpoint, SyncObject
from billing.sync import sync_queue
from common import crypto
from common.loop_statements import LoopStatement, NotReady
from config.env import SESSION_SETTINGS
from config.server.application import Application
from projects.models import Project
from tests.server.server_requests import (
    BAD_EVENT,
    DISCONNECT,
    REFUSE,
    StoredBy,
    cache_endpoints,
    post,
    post_together,
    run_with_application,
    when_bad_rows_commit,
)
from tests.threads import run_in_a_loop
from tests.webhooks.stripe_post import PATH, StripePost, event, sign
from webhooks.fast_path import (
    MAX_BYTES_IN_LOOP,
    STATEMENT,
    take_in_by_loop,
)
from webhooks.models import InboundEvent
from webhooks.services import intake
from webhooks.services.intake import Delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe")]
LOCK_TIMEOUT_SECONDS = int(SESSION_SETTINGS["lock_timeout"]) / 1000
"""For how long a request that is alone waits for a lock."""


@pytest.fixture(autouse=True, params=["by the loop", "by threads"])
def stored_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(StoredBy, "loop", request.param == "by the loop")
    return str(request.param)


@pytest.fixture
def single() -> StripePost:
    """Delivers through the ordinary path."""
    return StripePost(settings.BILLING.stripe_webhook_secrets[0])


def body_of(event_id: str, object_id: str = "prod_1", **fields: Any) -> bytes:
    return orjson.dumps(event(id=event_id, object_id=object_id, **fields))


def stored_ids() -> list[str]:
    return sorted(InboundEvent.objects.values_list("event_id", flat=True))


def transactions() -> int:
    """In how many transactions the stored events were committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM webhooks_inboundevent")
        return int(cursor.fetchone()[0])


def open_delivery(endpoint: StripeEndpoint, body: bytes) -> Delivery:
    at, secret = timezone.now(), settings.BILLING.stripe_webhook_secrets[0]
    return intake.open_delivery(
        endpoint=endpoint, body=body, signature=sign(body, secret), traceparent="", at=at
    )


def test_events_that_arrive_together_share_a_transaction() -> None:
    bodies = [body_of(f"evt_{number:02}", f"prod_{number}") for number in range(30)]
    assert post_together(bodies) == [200] * 30
    assert stored_ids() == [f"evt_{number:02}" for number in range(30)]
    assert transactions() == 1
    assert SyncObject.objects.filter(requested=1, applied=0).count() == 30


def test_an_event_alone_is_stored_at_once() -> None:
    async def story(app: Application) -> None:
        for number in range(3):
            status, headers, body = await post(app, body_of(f"evt_{number}"))
            assert (status, body) == (200, {"received": True})
            assert headers["X-Request-ID"].startswith("req_")

    run_with_application(story)
    assert transactions() == 3


def test_a_batch_leaves_what_single_events_leave(single: StripePost) -> None:
    """The same event twice, several of one object that waits, of one that is being read, of no
    object, of a moment, and unusable ones."""

    def story(tag: str) -> list[bytes]:
        return [
            body_of(f"{tag}1", f"prod_{tag}"),
            body_of(f"{tag}1", f"prod_{tag}"),
            body_of(f"{tag}2", f"prod_{tag}"),
            body_of(f"{tag}3", f"trial_{tag}", type="customer.subscription.trial_will_end"),
            body_of(f"{tag}4", f"sub_{tag}", type="customer.subscription.updated"),
            body_of(f"{tag}5", f"top_{tag}", type="topup.created"),
            body_of(f"{tag}6", f"read_{tag}"),
            tag.encode(),
        ]

    def traces(tag: str) -> list[Any]:
        rows = InboundEvent.objects.filter(event_id__startswith=tag).order_by("event_id")
        return [
            (row.event_id[1:], row.deliveries, row.request_number, row.sync and row.sync.requested)
            for row in rows
        ]

    for tag in "ab":
        single(body_of(f"{tag}0", f"read_{tag}"))
    assert len(sync_queue.claim_due(limit=2)) == 2
    for body in story("a"):
        assert single(body).status_code == 200
    assert post_together(story("b")) == [200] * 8
    assert traces("a") == traces("b")
    assert traces("b")[1][:2] == ("1", 2)
    assert InboundEvent.objects.filter(quarantined="The body is not JSON.").count() == 2


def test_events_of_a_batch_about_an_object_that_is_read_share_a_request(single: StripePost) -> None:
    """The read that they ask for begins after all of them."""
    single(body_of("evt_0", "read"))
    assert len(sync_queue.claim_due(limit=1)) == 1
    bodies = [body_of(f"evt_{number}", "read") for number in (1, 2)]
    assert post_together([*bodies, body_of("evt_3", "other"), bodies[0]]) == [200] * 4
    rows = InboundEvent.objects.order_by("event_id")
    assert list(
        rows.values_list("event_id", "request_number", "deliveries", "sync__requested")
    ) == [
        ("evt_0", 1, 1, 2),
        ("evt_1", 2, 2, 2),
        ("evt_2", 2, 1, 2),
        ("evt_3", 1, 1, 1),
    ]
    row = SyncObject.objects.get(stripe_id="read")
    assert row.stripe_event_id == "evt_1"


def test_accounts_share_a_transaction_and_nothing_else(project: Project) -> None:
    account = StripeAccount.objects.create(project=project, livemode=False, name="Own")
    own = StripeEndpoint.objects.create(account=account, token="own")
    own.secrets = [crypto.encrypt("whsec_of_its_own", context=own.secret_context)]
    own.save()
    cache_endpoints(None, "own")

    async def story(app: Application) -> list[int]:
        body = body_of("evt_1")
        answers = await asyncio.gather(
            post(app, body),
            post(app, body, path=f"{PATH}/own", secret="whsec_of_its_own"),
            post(app, body, path=f"{PATH}/own"),
            post(app, body, secret="whsec_of_its_own"),
        )
        return [answer[0] for answer in answers]

    assert run_with_application(story) == [200, 200, 400, 400]
    stored = InboundEvent.objects.values_list("endpoint__token", "sync__account_id", "deliveries")
    assert ("own", account.pk, 1) in stored
    assert len(set(stored)) == 2
    assert transactions() == 1


class Unsent(LoopStatement):
    """Nothing may be sent."""

    async def fetch_rows(self, parameters: Mapping[str, Any]) -> list[Any]:
        raise AssertionError(parameters["ids"])


def _nobody(task: str) -> None:
    """Nothing was stored."""
    raise AssertionError(task)


def test_a_large_batch_is_left_to_a_thread(endpoint: StripeEndpoint) -> None:
    body = body_of("evt_0", padding="x" * 60_000)
    deliveries = [open_delivery(endpoint, body)] * (MAX_BYTES_IN_LOOP // len(body) + 1)

    async def story() -> None:
        with pytest.raises(NotReady):
            await take_in_by_loop(deliveries, Unsent(STATEMENT), wake=_nobody)

    run_in_a_loop(story)
    assert stored_ids() == []


def test_an_event_that_cannot_be_committed_fails_alone() -> None:
    bodies = [body_of(name, f"prod_{name}") for name in ("evt_1", "evt_bad", "evt_2", "evt_3")]
    with when_bad_rows_commit(REFUSE, *BAD_EVENT):
        assert post_together(bodies) == [200, 500, 200, 200]
    assert list(
        InboundEvent.objects.order_by("event_id").values_list("event_id", "deliveries")
    ) == [
        ("evt_1", 1),
        ("evt_2", 1),
        ("evt_3", 1),
    ]
    assert not SyncObject.objects.filter(stripe_id="prod_evt_bad").exists()
    assert post_together(bodies[1:2]) == [200]


def test_a_connection_that_breaks_in_the_commit_acknowledges_nothing() -> None:
    bodies = [body_of(name, f"prod_{name}") for name in ("evt_1", "evt_bad", "evt_2")]
    with when_bad_rows_commit(DISCONNECT, *BAD_EVENT):
        assert post_together(bodies) == [503, 503, 503]
    assert stored_ids() == []
    assert not SyncObject.objects.exists()
    assert post_together(bodies) == [200, 200, 200]
    assert set(InboundEvent.objects.values_list("deliveries", flat=True)) == {1}


def test_an_event_that_waits_for_a_lock_holds_up_no_other() -> None:
    """Its object is locked by somebody who goes on only when the others are answered."""
    assert post_together([body_of("evt_0", "prod_locked")]) == [200]
    assert len(sync_queue.claim_due(limit=1)) == 1
    others_are_answered, is_locked = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            SyncObject.objects.select_for_update().get(stripe_id="prod_locked")
            is_locked.set()
            others_are_answered.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    is_locked.wait(30)

    async def story(app: Application) -> list[int]:
        first = [post(app, body_of(f"evt_{number}", "prod_2")) for number in (1, 2)]  # at once
        sharing = [asyncio.ensure_future(each) for each in first]
        locked = asyncio.ensure_future(post(app, body_of("evt_3", "prod_locked")))
        sharing += [asyncio.ensure_future(post(app, body_of("evt_4", "prod_2")))]
        answers = await asyncio.wait_for(asyncio.gather(*sharing), LOCK_TIMEOUT_SECONDS - 1)
        assert not locked.done()
        others_are_answered.set()
        return [answer[0] for answer in (await locked, *answers)]

    try:
        assert run_with_application(story) == [200] * 4
    finally:
        others_are_answered.set()
        holder.join(30)
    assert stored_ids() == [f"evt_{number}" for number in range(5)]
    assert SyncObject.objects.get(stripe_id="prod_locked").requested == 2


def test_a_batch_wakes_a_worker_once(
    endpoint: StripeEndpoint, django_capture_on_commit_callbacks: Any
) -> None:
    deliveries = [
        open_delivery(endpoint, body_of(f"evt_{number}", f"prod_{number}")) for number in range(5)
    ]
    with transaction.atomic(), django_capture_on_commit_callbacks() as wake_ups:
        intake.receive_together(deliveries)
    assert len(wake_ups) == 1
