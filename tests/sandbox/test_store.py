"""The store survives restarts, failures and changes of the clock."""

import random
import time
from contextlib import contextmanager, suppress

import pytest
import stripe

from sandbox import accounts
from sandbox.clock import WorldClock
from sandbox.deliveries import DeliveryMode
from sandbox.errors import StripeFailure
from sandbox.world import World
from tests.sandbox.shop import NOW, client_of
from tests.sandbox.sink import Sink


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "sandbox.sqlite3"


def test_a_restart_forgets_nothing(path):
    world = World(path=path, frozen_at=NOW)
    client = client_of(world)
    customer = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    endpoint = client.v1.webhook_endpoints.create({"url": "https://e.co", "enabled_events": ["*"]})
    client.v1.products.create({"name": "Pro"})
    accounts.open_account(world, account_id="acct_2", secret_key="sk_test_two")
    world.set_delivery_mode(DeliveryMode(shuffled=True, seed=4))
    world.move_clock(NOW + 100)
    world.close()

    again = World(path=path, frozen_at=NOW)
    client = client_of(again)
    assert again.clock.now() == NOW + 100
    assert again.delivery_mode == DeliveryMode(shuffled=True, seed=4)
    replayed = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert replayed.id == customer.id
    assert [event.type for event in client.v1.events.list()] == [
        "product.created",
        "customer.created",
    ]
    assert client_of(again, "sk_test_two").v1.customers.list().data == []
    sink = Sink(str(endpoint.secret))
    again.deliver(sink)
    assert sink.types == ["product.created"]
    again.close()


def test_the_order_survives_updates_and_a_restart(path):
    world = World(path=path, frozen_at=NOW)
    client = client_of(world)
    customer_ids = [client.v1.customers.create({"name": str(number)}).id for number in range(3)]
    client.v1.customers.update(customer_ids[0], {"name": "changed"})
    world.close()
    again = World(path=path, frozen_at=NOW)
    assert [each.id for each in client_of(again).v1.customers.list()] == customer_ids[::-1]
    again.close()


def test_a_killed_process_loses_nothing_that_was_answered(path):
    """The file is complete after each request; nothing waits for ``close``."""
    world = World(path=path, frozen_at=NOW)
    ada = client_of(world).v1.customers.create({"name": "Ada"})
    witness = World(path=path, frozen_at=NOW)
    assert client_of(witness).v1.customers.retrieve(ada.id).name == "Ada"
    witness.close()
    world.close()


def test_a_revoked_key_stays_revoked_after_a_restart(path):
    world = World(path=path, frozen_at=NOW)
    accounts.revoke_key(world, "sk_test_sandbox")
    world.close()
    again = World(path=path, frozen_at=NOW)
    with pytest.raises(stripe.AuthenticationError):
        client_of(again).v1.customers.list()
    again.close()


def test_reset_keeps_the_keys_the_endpoints_and_the_time(world, client, sink):
    client.v1.customers.create({"name": "Ada"})
    world.faults.add("rate_limit")
    world.move_clock(NOW + 5)
    world.reset()
    assert client.v1.customers.list().data == []
    assert client.v1.events.list().data == []
    assert client.v1.accounts.retrieve_current().object == "account"
    client.v1.customers.create({"name": "Eve"})
    world.deliver(sink)
    assert sink.types == ["customer.created"]
    assert world.clock.now() == NOW + 5


class Interrupted(Exception):
    pass


@contextmanager
def interrupted(world):
    """A transaction that ends in an exception."""
    with suppress(Interrupted), world.transaction() as tx:
        yield tx
        raise Interrupted


def test_a_transaction_that_raises_leaves_nothing(world):
    with interrupted(world) as tx:
        tx.insert({"id": "x_1", "object": "x"})
        tx.emit("x.created", {"id": "x_1", "object": "x"})
    with world.transaction() as tx:
        assert tx.list_objects("x") == tx.list_objects("event") == []


def test_a_failure_may_keep_its_effects(world):
    declined = StripeFailure("declined", status=402, keep_effects=True)
    with suppress(StripeFailure), world.transaction() as tx:
        tx.insert({"id": "x_1", "object": "x"})
        raise declined
    with world.transaction() as tx:
        assert tx.list_ids("x") == ["x_1"]


def test_a_transaction_reads_its_own_writes(world):
    with world.transaction() as tx:
        tx.insert({"id": "x_1", "object": "x", "deep": {"n": 1}})
    with interrupted(world) as tx:
        tx.list_objects("x")[0]["deep"]["n"] = 2
        assert tx.get("x", "x_1") == {"id": "x_1", "object": "x", "deep": {"n": 2}}
    with world.transaction() as tx:
        assert tx.get("x", "x_1")["deep"]["n"] == 1
        tx.get("x", "x_1")["deep"]["n"] = 3
    with world.transaction() as tx:
        assert tx.get("x", "x_1")["deep"]["n"] == 3


def test_a_frozen_clock_moves_when_told_and_never_back():
    clock = WorldClock(frozen_at=100)
    clock.move_to(150)
    assert clock.now() == 150
    with pytest.raises(ValueError, match="150"):
        clock.move_to(149)


def test_a_running_clock_follows_real_time_plus_what_it_was_advanced_by(monkeypatch):
    real = [1000.0]
    monkeypatch.setattr(time, "time", lambda: real[0])
    clock = WorldClock()
    assert clock.now() == 1000
    clock.move_to(5000)
    real[0] = 1010.9
    assert clock.now() == 5010
    real[0] = 900.0  # the machine's clock was set back
    assert clock.now() == 5010
    clock.freeze()
    real[0] = 2000.0
    assert clock.now() == 5010
    clock.run()
    real[0] = 2005.0
    assert clock.now() == 5015


def test_a_clock_survives_a_dump(monkeypatch):
    real = [1000.0]
    monkeypatch.setattr(time, "time", lambda: real[0])
    clock = WorldClock()
    clock.move_to(5000)
    state = clock.dump()
    real[0] = 1100.0
    restored = WorldClock()
    restored.load(state)
    assert restored.now() == 5100


@pytest.mark.parametrize("seed", range(5))
def test_objects_found_by_a_field_are_those_that_have_it(seed):
    """Whatever was stored before is compared with a look at every object, also during a change."""
    world, chance = World(frozen_at=NOW), random.Random(seed)
    for step in range(200):
        with suppress(StripeFailure), world.transaction() as tx:
            body = {"object": "thing", "id": f"th_{chance.randrange(20)}"}
            if chance.random() < 0.2:
                tx.remove(body)
            else:
                tx.insert({**body, "owner": f"own_{chance.randrange(4)}"})
            assert _found(tx) == _looked_at(tx)
            if step % 7 == 0:
                raise StripeFailure("Not kept.")
        with world.transaction() as tx:
            assert _found(tx) == _looked_at(tx)


def _found(tx):
    return {
        owner: sorted(each["id"] for each in tx.list_with("thing", "owner", owner))
        for owner in ("own_0", "own_1", "own_2", "own_3")
    }


def _looked_at(tx):
    return {
        owner: sorted(tx.list_ids("thing", lambda each, owner=owner: each["owner"] == owner))
        for owner in ("own_0", "own_1", "own_2", "own_3")
    }


def test_objects_found_by_a_field_are_in_the_order_of_their_creation():
    world = World(frozen_at=NOW)
    ids = [f"th_{number}" for number in (3, 1, 2)]
    for object_id in ids:
        with world.transaction() as tx:
            tx.insert({"object": "thing", "id": object_id, "owner": "own_0"})
            assert [each["id"] for each in tx.list_with("thing", "owner", "own_0")][-1] == object_id
    with world.transaction() as tx:
        tx.insert({"object": "thing", "id": "th_1", "owner": "own_0", "name": "changed"})
    with world.transaction() as tx:
        assert [each["id"] for each in tx.list_with("thing", "owner", "own_0")] == ids
