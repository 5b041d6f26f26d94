"""Moving the clock performs due work in order and repeatably."""

import pytest

from sandbox import accounts, engine
from sandbox.world import World
from tests.sandbox.shop import DAY, NOW, Shop, client_of


def stories(shop):
    """Things that fall due on many days, some at the same second."""
    shop.subscribe()
    shop.subscribe(shop.price(500, "week"))
    shop.subscribe(trial_period_days=10)
    shop.subscribe(shop.price(9000, "year"), card="4000000000000341", trial_period_days=5)
    ending = shop.subscribe()
    shop.client.v1.subscriptions.update(ending.id, {"cancel_at_period_end": True})
    shop.session(shop.price())
    refunded = shop.client.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "payment_method": "pm_card_refundFail",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    shop.client.v1.refunds.create({"payment_intent": refunded.id})
    shop.news()


def history(shop):
    return [
        (event["created"], event["type"], event["data"]["object"].get("id"))
        for event in shop.events()
    ]


@pytest.fixture
def history_of_stories(shop):
    stories(shop)
    shop.later(100)
    return history(shop)


def test_events_come_in_the_order_of_time(history_of_stories):
    moments = [moment for moment, _, _ in history_of_stories]
    assert moments == sorted(moments)
    assert len(history_of_stories) > 100
    assert {
        "checkout.session.expired",
        "refund.failed",
        "customer.subscription.trial_will_end",
        "customer.subscription.deleted",
        "invoice.payment_failed",
        "invoice.paid",
    } <= {type for _, type, _ in history_of_stories}


def test_many_small_steps_are_one_large_one(history_of_stories):
    world = World(frozen_at=NOW, seed=7)
    shop = Shop(world, client_of(world))
    stories(shop)
    for hours in range(1, 100 * 24 + 1):
        shop.until(NOW + hours * 3600)
    assert history(shop) == history_of_stories


def test_a_world_stopped_in_the_middle_goes_on(tmp_path, history_of_stories):
    world = World(path=tmp_path / "world.sqlite3", frozen_at=NOW, seed=7)
    shop = Shop(world, client_of(world))
    stories(shop)
    steps = iter(range(40))

    class Stop(Exception):
        pass

    def stop_after_some():
        if next(steps, None) is None:
            raise Stop

    with pytest.raises(Stop):
        engine.advance(world, NOW + 100 * DAY, on_step=stop_after_some)
    first = shop.events()
    assert NOW < world.clock.now() < NOW + 100 * DAY
    world.close()
    again = World(path=tmp_path / "world.sqlite3")
    assert again.clock.now() == first[-1]["created"]
    engine.advance(again, NOW + 100 * DAY)
    with again.transaction() as tx:
        every = tx.list_objects("event")
    again.close()
    assert [(event["created"], event["type"]) for event in every][-len(history_of_stories) :] == [
        (moment, type) for moment, type, _ in history_of_stories
    ]


def test_advancing_the_clock_calls_back_after_each_step(shop):
    shop.subscribe()
    seen = []
    engine.advance(
        shop.world,
        NOW + 32 * DAY,
        on_step=lambda: seen.append((shop.world.clock.now(), shop.news())),
    )
    assert [(moment - NOW, len(types)) for moment, types in seen] == [
        (31 * DAY, 2),
        (31 * DAY + 3600, 8),
    ]


def test_the_time_of_the_next_due_work_is_known(shop):
    assert engine.next_due_time(shop.world) is None
    shop.subscribe()
    assert engine.next_due_time(shop.world) == NOW + 31 * DAY
    shop.session(shop.price())
    assert engine.next_due_time(shop.world) == NOW + DAY


def test_the_clock_moves_although_nothing_is_due(shop):
    shop.later(1000)
    assert shop.world.clock.now() == NOW + 1000 * DAY


def test_overdue_work_is_done_at_once(shop):
    """A clock that was moved without the engine, or a process that was off."""
    shop.subscribe()
    shop.news()
    shop.world.move_clock(NOW + 40 * DAY)
    engine.run_due_actions(shop.world)
    assert {event["created"] for event in shop.events()} == {NOW + 40 * DAY}
    shop.later(seconds=3600)
    assert [invoice.status for invoice in shop.client.v1.invoices.list().data] == ["paid"] * 2


def test_accounts_do_not_share_objects(shop, world):
    accounts.open_account(world, account_id="acct_other", secret_key="sk_test_other")
    other = client_of(world, "sk_test_other")
    customer = other.v1.customers.create()
    price = other.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 700,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Elsewhere"},
        }
    )
    method = other.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    other.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": price.id}],
            "default_payment_method": method.id,
        }
    )
    shop.subscribe()
    shop.later(32)
    assert [invoice.total for invoice in other.v1.invoices.list().data] == [700, 700]
    assert [invoice.total for invoice in shop.client.v1.invoices.list().data] == [1000, 1000]


def test_two_worlds_with_one_seed_are_the_same():
    def run():
        world = World(frozen_at=NOW, seed=11)
        shop = Shop(world, client_of(world))
        stories(shop)
        shop.later(60)
        return history(shop)

    assert run() == run()


def test_payments_through_the_sdk_still_work_on_the_way(shop):
    shop.subscribe()
    shop.until(NOW + 31 * DAY)
    (draft,) = shop.client.v1.invoices.list({"status": "draft"}).data
    assert shop.client.v1.invoices.pay(draft.id).status == "paid"
    shop.news()
    shop.later(1)
    assert shop.news() == []
