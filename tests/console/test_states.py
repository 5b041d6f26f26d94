"""The lists' filters agree with the rows' own states."""

import itertools
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.checkout.selectors import carts
from billing.models import Cart, StripeAccount, StripeEndpoint, SyncObject
from billing.models.cart import CartStatus
from billing.sync.selectors.sync_objects import IN_STATE
from entitlements.grants.admin.grants import GrantStatusFilter
from entitlements.models import Grant
from projects.keys.admin import keys
from projects.keys.admin.key_filters import KeyStateFilter
from projects.models import ApiKey
from tests.console.world import World, build
from tests.console.world_catalog import DAY
from webhooks.models import InboundEvent
from webhooks.selectors.inbound_events import IN_STATUS

pytestmark = pytest.mark.django_db

WORLD_SIZE = 4


def every_event(account: StripeAccount) -> None:
    """An event for each combination of what decides its status."""
    now = timezone.now()
    endpoint = StripeEndpoint.objects.create(account=account, token="every")
    combinations = itertools.product(
        ["", "Not JSON."], [None, 1, 2], [(0, 1), (1, 1), (1, 2)], [None, now], [None, now]
    )
    for number, (bad, request, (applied, requested), parked, foreign) in enumerate(combinations):
        sync = SyncObject.objects.create(
            account=account,
            kind="invoice",
            stripe_id=f"in_{number}",
            applied=applied,
            requested=requested,
            parked_at=parked,
            foreign_at=foreign,
        )
        InboundEvent.objects.create(
            endpoint=endpoint,
            event_id=f"evt_{number}",
            body=b"",
            sync=sync if number % 5 else None,
            request_number=request,
            quarantined=bad,
            received_at=now,
            last_received_at=now,
        )


def test_events_are_filtered_by_status(world: World) -> None:
    every_event(world.account)
    rows = {row.pk: row.status for row in InboundEvent.objects.select_related("sync")}
    assert set(rows.values()) == set(IN_STATUS)

    for status, condition in IN_STATUS.items():
        ids = set(InboundEvent.objects.filter(condition).values_list("pk", flat=True))
        assert ids == {pk for pk, status_of_row in rows.items() if status_of_row == status}


def test_objects_are_filtered_by_state(world: World) -> None:
    every_event(world.account)
    rows = {row.pk: row.state for row in SyncObject.objects.all()}
    assert set(rows.values()) == set(IN_STATE)

    for state, condition in IN_STATE.items():
        ids = set(SyncObject.objects.filter(condition).values_list("pk", flat=True))
        assert ids == {pk for pk, state_of_row in rows.items() if state_of_row == state}


def test_grants_are_filtered_by_status(world: World) -> None:
    now = timezone.now()
    moments = [now - timedelta(hours=1), now + timedelta(hours=1)]
    for starts, expires, revoked in itertools.product(moments, [None, *moments], [None, now]):
        Grant.objects.for_project(world.project).create(
            customer=world.customer,
            effect="allow",
            features=[],
            reason="Because.",
            starts_at=starts,
            expires_at=expires,
            revoked_at=revoked,
            created_by="command",
            created_at=now,
        )
    rows = {row.pk: str(row.status(now)) for row in Grant.objects.for_project(world.project)}

    for status, condition in GrantStatusFilter.conditions.items():
        grants = Grant.objects.for_project(world.project).filter(condition)
        assert {row.pk for row in grants} == {
            pk for pk, status_of_row in rows.items() if status_of_row == status
        }


def test_keys_are_filtered_by_state(world: World) -> None:
    now = timezone.now()
    chosen = list(ApiKey.objects.across_projects())
    for key, expires, revoked in zip(
        chosen,
        [None, now - timedelta(hours=1), now + timedelta(hours=1), None],
        [None, None, None, now],
        strict=False,
    ):
        key.expires_at, key.revoked_at = expires, revoked
        key.save()
    rows = {key.pk: keys.state(key, now) for key in ApiKey.objects.across_projects()}

    for state, condition in KeyStateFilter.conditions.items():
        matching = ApiKey.objects.across_projects().filter(condition)
        assert {key.pk for key in matching} == {
            pk for pk, state_of_row in rows.items() if state_of_row == state
        }


@pytest.mark.parametrize("status", IN_STATUS)
def test_list_of_events_shows_the_chosen_status(
    status: str, world: World, operator: Client
) -> None:
    answer = operator.get("/admin/webhooks/inboundevent/", {"status": status})

    shown = [row.status for row in answer.context["cl"].result_list]
    assert shown == [status] * len(shown)
    assert len(shown) == (1 if status in ("processed", "waiting", "parked", "foreign") else 0)


def test_an_unknown_status_finds_nothing(world: World, operator: Client) -> None:

    answer = operator.get("/admin/webhooks/inboundevent/", {"status": "nonsense"})

    assert list(answer.context["cl"].result_list) == []


@pytest.mark.parametrize("known_as", ["pk", "stripe_id", "user_id", "customer_id"])
def test_payments_are_found_by_each_of_their_names(known_as: str, operator: Client) -> None:
    world = build()
    build(name="Neighbour")
    body = {
        "pk": world.payment.pk,
        "stripe_id": world.payment.stripe_id,
        "user_id": world.customer.user_id,
        "customer_id": world.customer.pk,
    }

    answer = operator.get("/admin/billing/payment/", {"q": body[known_as]})

    assert [row.pk for row in answer.context["cl"].result_list] == [world.payment.pk]


def test_lists_are_filtered_by_project(operator: Client) -> None:
    world = build()
    build(name="Neighbour")

    answer = operator.get("/admin/billing/payment/", {"project__id__exact": world.project.pk})

    assert [row.pk for row in answer.context["cl"].result_list] == [world.payment.pk]


def test_palette_finds_ids_and_names(operator: Client, viewer: Client) -> None:
    world = build()
    names = [
        world.customer.user_id,
        world.customer.email,
        world.payment.stripe_id,
        world.event.event_id,
        world.invoice.pk,
        world.project.slug,
    ]

    for name in names:
        answer = operator.get("/admin/search/", {"s": name, "extended": "1"})
        assert "/admin/" in answer.text, name

    operator.logout()
    assert operator.get("/admin/search/", {"s": names[0]}).status_code == 302


def test_carts_are_filtered_by_their_current_status(world: World) -> None:
    now = timezone.now()
    combinations = itertools.product(CartStatus, [None, world.checkout], [-DAY, DAY])
    rows = [
        Cart.objects.for_project(world.project).create(
            customer=world.customer, status=status, checkout=page, expires_at=now + left
        )
        for status, page, left in combinations
    ]
    for status in CartStatus:
        condition = carts.status_condition(status, now)
        matching = Cart.objects.for_project(world.project).filter(
            condition, pk__in=[row.pk for row in rows]
        )
        expected = {row.pk for row in rows if row.status_at(now) == status}
        assert set(matching.values_list("pk", flat=True)) == expected
