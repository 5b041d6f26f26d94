"""What receivers answer, and what becomes of their endpoints (SCENARIOS.md H8, H11 to H14)."""

from datetime import timedelta

import pytest

from common.standard_webhooks import parse_secret
from delivery.models import DeliveryKind, WebhookEndpoint
from delivery.webhooks import endpoints, manual
from events.log import sequencer
from projects.models import Project
from tests.delivery.sender.receivers import OK, Behaviour, close, hang, receiving
from tests.delivery.webhooks.dispatching import (
    Dispatching,
    attempts,
    check_signature,
    deliveries,
    endpoint_at,
    header,
    recorded_types,
    states,
)
from tests.events.log.recording import record
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def answer(status: str, *headers: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("response", "state"),
    [
        (answer("200 OK", body="<html>not JSON"), "done"),
        (answer("204 No Content"), "done"),
        (answer("299 Fine"), "done"),
        (answer("301 Moved", "Location: http://127.0.0.1/x"), "waiting"),
        (answer("308 Moved", "Location: http://127.0.0.1/x"), "waiting"),
        (answer("400 Bad Request"), "waiting"),
        (answer("401 Unauthorized"), "waiting"),
        (answer("404 Not Found"), "waiting"),
        (answer("500 Oops"), "waiting"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, "done"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "waiting"),
        (b"nonsense\r\n\r\n", "waiting"),
        (close, "waiting"),
        (answer("200 OK", "webhook-delivery: disable"), "waiting"),
        (answer("500 Oops", "webhook-abort-message: true"), "failed"),
    ],
)
def test_only_2xx_is_a_success(
    dispatching: Dispatching, project: Project, response: bytes | Behaviour, state: str
) -> None:
    with receiving(response) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    assert states(row) == [(state, 1)]
    assert len(receiver.requests) == 1
    assert len(attempts(row)) == 1


def test_410_disables_the_endpoint_and_nothing_is_lost(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(answer("410 Gone"), OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        first = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        row.refresh_from_db()
        assert (row.state, row.disabled_reason) == ("disabled", "gone")
        assert recorded_types(project)[-1] == "webhook_endpoint.disabled"
        second = record(project, "cus_1", 2)
        sequencer.run()
        dispatching.move(days=2)
        dispatching.settle()
        assert len(receiver.requests) == 1
        endpoints.change(endpoint=row, changes={"enabled": True}, actor="test", at=dispatching.at)
        dispatching.move(minutes=1)
        dispatching.settle()
    ids = [header(each, "webhook-id") for each in receiver.requests]
    assert {first, second} <= set(ids[1:])


def test_a_pause_that_the_receiver_demands_is_kept(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(answer("429 Slow down", "Retry-After: 7200"), OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        for number in range(3):
            record(project, f"cus_{number}", 1)
            sequencer.run()
            dispatching.settle()
        assert len(receiver.requests) == 1
        dispatching.move(minutes=119)
        dispatching.settle()
        assert len(receiver.requests) == 1
        dispatching.move(minutes=2)
        dispatching.settle()
        dispatching.move(minutes=2)
        dispatching.settle()
    assert [state for state, _ in states(row)] == ["done"] * 3


def test_a_pause_that_no_clock_can_show_is_ignored(
    dispatching: Dispatching, project: Project
) -> None:
    """It must not end the process that sends for all others."""
    odd = answer("503 No", "Retry-After: Sat, 21 Nov 99999999999999999999 09:30:00 GMT")
    with receiving(odd, OK) as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        assert states(row) == [("waiting", 1)]
        dispatching.move(seconds=10)
        dispatching.settle()
    assert states(row) == [("done", 2)]


def test_a_hanging_receiver_holds_four_requests_and_delays_no_other(
    dispatching: Dispatching, project: Project, other_project: Project
) -> None:
    with receiving(hang) as hanging, receiving() as working:
        slow, _ = endpoint_at(hanging, project)
        quick, _ = endpoint_at(working, project)
        neighbour, _ = endpoint_at(working, other_project)
        for number in range(50):
            record(project, f"cus_{number}", 1)
            record(other_project, f"cus_{number}", 1)
        sequencer.run()
        dispatching.until(lambda: {state for state, _ in states(quick)} == {"done"})
        dispatching.until(lambda: {state for state, _ in states(neighbour)} == {"done"})
        wait_until(lambda: len(hanging.requests) == 4)
        lane = dispatching.dispatcher.lanes.get(slow.pk)
        assert lane is not None
        assert lane.in_flight == 4
        assert len(states(quick)) >= 50
        endpoints.delete(endpoint=slow, actor="test", at=dispatching.at)


def test_the_bytes_and_the_id_stay_while_time_and_signature_change(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving(answer("500 Oops"), OK) as receiver:
        row, key = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        dispatching.move(hours=3)
        dispatching.settle()
    first, second = receiver.requests
    assert first.body == second.body
    assert header(first, "webhook-id") == header(second, "webhook-id")
    assert header(first, "webhook-signature") != header(second, "webhook-signature")
    check_signature(second, key, at=dispatching.at)
    check_signature(first, key, at=dispatching.at - timedelta(hours=3))
    assert len({each.body_digest for each in attempts(row)}) == 1


def test_two_secrets_sign_while_one_replaces_the_other(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, old = endpoint_at(receiver, project)
        secret = endpoints.rotate_secret(
            endpoint=row, overlap_hours=24, actor="test", at=dispatching.at
        )
        new = parse_secret(secret)
        sequencer.run()
        dispatching.settle()
        within = receiver.requests[-1]
        check_signature(within, old, at=dispatching.at)
        check_signature(within, new, at=dispatching.at)
        assert len(header(within, "webhook-signature").split(" ")) == 2
        dispatching.move(hours=24)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        dispatching.settle()
        later = receiver.requests[-1]
    check_signature(later, new, at=dispatching.at)
    assert len(header(later, "webhook-signature").split(" ")) == 1


def test_a_retry_goes_to_the_new_url(dispatching: Dispatching, project: Project) -> None:
    with receiving(answer("500 Oops")) as old, receiving() as new:
        row, _ = endpoint_at(old, project)
        event_id = record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        endpoints.change(
            endpoint=row, changes={"url": new.url("/new")}, actor="test", at=dispatching.at
        )
        dispatching.move(minutes=1)
        dispatching.settle()
    assert len(old.requests) == 1
    assert event_id in [header(each, "webhook-id") for each in new.requests]
    assert [each.url for each in attempts(row) if each.delivery_id == deliveries(row)[0].pk] == [
        old.url(),
        new.url("/new"),
    ]


def test_an_inner_address_gets_nothing_and_disables_the_endpoint(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        rows = WebhookEndpoint.objects.for_project(project).filter(pk=row.pk)
        rows.update(url="https://10.0.0.1/hook")  # as if the name had led elsewhere at creation
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
        assert states(row) == [("waiting", 1)]
        assert attempts(row)[0].fault == "refused_address"
        dispatching.move(minutes=1)
        dispatching.settle()
    row.refresh_from_db()
    assert (row.state, row.disabled_reason) == ("disabled", "address")


def test_a_test_event_goes_to_one_endpoint_even_if_it_is_disabled(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver, receiving() as other:
        row, key = endpoint_at(receiver, project, event_types=["payment.paid"])
        endpoint_at(other, project)
        endpoints.change(endpoint=row, changes={"enabled": False}, actor="test", at=dispatching.at)
        delivery = manual.send_test(endpoint=row, actor="test", at=dispatching.at)
        sequencer.run()
        dispatching.move(seconds=2)
        dispatching.settle()
    [request] = receiver.requests
    check_signature(request, key, at=dispatching.at)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.kind) == ("done", DeliveryKind.TEST)
    assert header(request, "webhook-id") == delivery.event_id
    assert delivery.event_id not in [header(each, "webhook-id") for each in other.requests]
