"""Each write to Stripe is carried out once, whatever happens on the way."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Product, StripeAccount, StripeIntent, SyncObject
from billing.models.stripe_intent import IntentState
from billing.outbound import intent_lease, intents
from billing.stripe.errors import IdempotencyMismatch, StripeRefused, StripeUnavailable
from common.ids import new_id
from common.lease import LeaseLost
from projects.models import Project
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing_fixtures import Clock, SandboxStripe

AFTER_ALL_TRIES = 3


@pytest.fixture
def product(project: Project, account: StripeAccount) -> Product:
    return Product.objects.create(project=project, account=account, name="Pro")


def make(product: Product) -> None:
    intents.create_object(
        product, operation="product.create", params={"name": product.name}, at=timezone.now()
    )


def change(product: Product, **params: Any) -> dict[str, Any]:
    request = params.pop("request", None) or new_id("req")
    return intents.change_object(
        project_id=product.project_id,
        account=product.account,
        operation="product.update",
        subject=product.pk,
        target=str(product.stripe_id),
        params=params,
        request=request,
        at=timezone.now(),
    )


def only_intent(**state: Any) -> StripeIntent:
    return StripeIntent.objects.across_projects().get(**state)


def due_now() -> None:
    """As if every pause and every lease were over."""
    StripeIntent.objects.across_projects().update(
        next_try_at=timezone.now() - timedelta(days=9), leased_until=None
    )
    end_pauses()


def finish() -> int:
    due_now()
    return intents.finish_due(at=timezone.now())


def test_an_object_is_created_once_and_read_again(stripe: SandboxStripe, product: Product) -> None:
    make(product)
    make(product)
    (stripe_product,) = stripe.v1.products.list().data
    intent = only_intent()
    assert (intent.state, intent.stripe_id, intent.attempts) == ("done", stripe_product.id, 1)
    assert intent.answered_at is not None
    assert product.stripe_id == stripe_product.id
    assert SyncObject.objects.get().stripe_id == stripe_product.id


def test_a_refused_creation_leaves_no_row(stripe: SandboxStripe, product: Product) -> None:
    product.name = ""
    with pytest.raises(StripeRefused):
        make(product)
    assert only_intent().state == IntentState.FAILED
    assert not Product.objects.across_projects().exists()


def test_an_intent_that_a_worker_holds_is_not_leased_by_another(
    stripe: SandboxStripe, product: Product
) -> None:
    stripe.fail("timeout_after", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    first, second = only_intent(), only_intent()
    assert intent_lease.take(first)
    assert not intent_lease.take(second)
    intent_lease.release(first, state=IntentState.UNKNOWN)
    assert intent_lease.take(second)
    intent_lease.release(second, state=IntentState.DONE)
    assert not intent_lease.take(first)


def test_a_worker_that_lost_the_intents_lease_writes_nothing(
    stripe: SandboxStripe, product: Product
) -> None:
    stripe.fail("timeout_after", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    due_now()
    slow = only_intent()
    assert intent_lease.take(slow)
    due_now()
    faster = only_intent()
    assert intent_lease.take(faster)

    for write in (intent_lease.release, intent_lease.write):
        with pytest.raises(LeaseLost):
            write(slow, state=IntentState.FAILED)
    assert only_intent().state == IntentState.UNKNOWN
    assert only_intent().leased_until == faster.leased_until
    intent_lease.release(faster, state=IntentState.DONE)
    assert (only_intent().state, only_intent().leased_until) == (IntentState.DONE, None)


def test_the_janitor_finishes_an_abandoned_intent(stripe: SandboxStripe, product: Product) -> None:
    stripe.fail("timeout_after", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    assert only_intent().state == IntentState.UNKNOWN
    assert finish() == 1
    product.refresh_from_db()
    (stripe_product,) = stripe.v1.products.list().data
    assert (only_intent().state, product.stripe_id) == ("done", stripe_product.id)
    assert only_intent().answered_at is None


def test_a_saved_error_needs_another_key(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    stripe.fail("error_before", path="/v1/products")
    with pytest.raises(StripeUnavailable):
        make(product)
    finish()
    assert (only_intent().state, only_intent().key_generation) == (IntentState.UNKNOWN, 0)
    clock.advance(seconds=61)
    finish()
    assert (only_intent().state, only_intent().key_generation) == (IntentState.DONE, 1)
    assert len(stripe.v1.products.list().data) == 1


def test_changes_of_one_target_keep_their_order(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    """The first one's answer gets lost; the second one finishes it before its own turn."""
    make(product)
    stripe.fail("timeout_before", path="/v1/products/*", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        change(product, name="One", description="by the first")
    change(product, name="Two")
    new_product = stripe.v1.products.retrieve(str(product.stripe_id))
    assert (new_product.name, new_product.description) == ("Two", "by the first")
    states = StripeIntent.objects.across_projects().order_by("id").values_list("state", flat=True)
    assert list(states) == ["done", "done", "done"]


def test_an_overtaken_change_is_not_carried_out(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    make(product)
    stripe.fail("error_before", path="/v1/products/*")
    with pytest.raises(StripeUnavailable):
        change(product, name="One", request="one")
    rows = StripeIntent.objects.across_projects()
    rows.filter(state="unknown").update(state="parked")
    change(product, name="Two")
    rows.filter(state="parked").update(state="unknown")
    with pytest.raises(StripeRefused, match="newer"):
        change(product, name="One", request="one")
    assert stripe.v1.products.retrieve(str(product.stripe_id)).name == "Two"
    assert "Superseded" in only_intent(state="failed").last_error
    change(product, name="One", request="one")
    assert stripe.v1.products.retrieve(str(product.stripe_id)).name == "One"


def test_the_same_request_has_the_same_answer(stripe: SandboxStripe, product: Product) -> None:
    make(product)
    first = change(product, name="One", request="one")
    change(product, name="Two", request="two")
    assert change(product, name="One", request="one") == first
    assert stripe.v1.products.retrieve(str(product.stripe_id)).name == "Two"


def test_a_forgotten_key_is_not_sent_again(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    """After a day the object is looked for; nothing is sent blindly."""
    stripe.fail("timeout_after", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    clock.advance(hours=25)
    finish()
    (stripe_product,) = stripe.v1.products.list().data
    assert (only_intent().state, only_intent().stripe_id, only_intent().key_generation) == (
        "done",
        stripe_product.id,
        0,
    )


def test_an_intent_tried_just_before_its_key_expired_waits_for_the_list(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    for _ in range(2):
        stripe.fail("timeout_before", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    clock.advance(hours=22, minutes=59, seconds=50)
    finish()
    clock.advance(seconds=20)
    finish()
    assert (only_intent().state, only_intent().attempts) == ("unknown", 2)
    clock.advance(seconds=61)
    finish()
    assert (only_intent().state, only_intent().key_generation) == ("done", 1)
    assert len(stripe.v1.products.list().data) == 1


def test_other_parameters_under_a_key_park_the_intent(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    stripe.fail("timeout_before", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    intent = only_intent()
    stripe.v1.products.create({"name": "Other"}, {"idempotency_key": intent.idempotency_key})
    finish()
    assert (only_intent().state, only_intent().key_generation) == (IntentState.PARKED, 0)
    assert "IdempotencyMismatch" in only_intent().last_error
    assert finish() == 0
    with pytest.raises(StripeUnavailable, match="operator"):
        make(product)
    (event,) = outbox_events.events(product.project, "stripe_write.")
    assert (event.type, event.subject) == ("stripe_write.parked", intent.pk)
    assert event.data["reason"] == IdempotencyMismatch.title
    assert {name: event.data[name] for name in ("operation", "object", "stripe_id")} == {
        "operation": "product.create",
        "object": product.pk,
        "stripe_id": None,
    }
    assert [each.name for each in stripe.v1.products.list().data] == ["Other"]


def test_errors_under_every_key_park_the_intent(
    stripe: SandboxStripe, product: Product, clock: Clock
) -> None:
    stripe.fail("error_before", method="POST", path="/v1/products", times=9)
    with pytest.raises(StripeUnavailable):
        make(product)
    for _ in range(4):
        assert only_intent().state == IntentState.UNKNOWN
        clock.advance(seconds=61)
        finish()
    assert (only_intent().state, only_intent().key_generation) == (IntentState.PARKED, 4)


def test_a_leased_intent_is_left_alone(stripe: SandboxStripe, product: Product) -> None:
    """Planned and leased: the janitor leaves it alone, and finishes it when the lease is over."""
    stripe.fail("timeout_before", path="/v1/products", times=AFTER_ALL_TRIES)
    with pytest.raises(StripeUnavailable):
        make(product)
    rows = StripeIntent.objects.across_projects()
    rows.update(
        next_try_at=timezone.now() - timedelta(days=1),
        leased_until=timezone.now() + timedelta(seconds=30),
    )
    assert intents.finish_due(at=timezone.now()) == 0
    rows.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert intents.finish_due(at=timezone.now()) == 1
    assert only_intent().state == IntentState.DONE


def test_an_unreachable_account_is_asked_once_per_batch(
    stripe: SandboxStripe, project: Project, account: StripeAccount
) -> None:
    rows = [
        Product.objects.create(project=project, account=account, name=f"Product {number}")
        for number in range(4)
    ]
    stripe.fail("timeout_before", path="/v1/products", times=1000)
    for row in rows:
        with pytest.raises(StripeUnavailable):
            make(row)
    assert finish() == 1
    stripe.world.faults.clear()
    assert finish() == 4
    assert len(stripe.v1.products.list().data) == 4
