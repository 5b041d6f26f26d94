"""An auth service tells of its users: they buy, and are erased here and at Stripe."""

from typing import Any

import pytest

from billing.models import StripeCustomer
from events.models import OutboxEvent
from projects.models import Customer
from tests.delivery.inbound.sending import AuthService, message
from tests.scenarios.story import Story, commit


@pytest.fixture
def auth_service(story: Story) -> AuthService:
    secret = story.post(f"/projects/{story.project.pk}/inbound/rotate-secret")["secret"]
    return AuthService(story.project, secret=secret)


def tell(story: Story, auth_service: AuthService, *args: Any, **details: Any) -> str:
    result = auth_service.tell(*args, **details)
    commit()
    return result


def test_a_deleted_user_is_erased_here_and_at_stripe(
    story: Story, auth_service: AuthService
) -> None:
    price = story.sells("Pro", 2900, interval="month", features={"sso": True})
    tell(story, auth_service, "created", 1, "alice", email="alice@example.com", name="Alice")
    story.buys(price)
    assert story.may("sso") == "entitled"
    copy = StripeCustomer.objects.for_project(story.project).get()
    tell(story, auth_service, "updated", 2, "alice", name="Alice L.")
    story.process_everything()
    copy.refresh_from_db()
    assert (copy.email, copy.name) == ("alice@example.com", "Alice L.")
    story.events()

    assert tell(story, auth_service, "deleted", 3, "alice") == "applied"
    customer = Customer.objects.for_project(story.project).get()
    assert (customer.user_id, customer.email, customer.name) == (customer.pk, "", "")
    story.process_everything()
    copy.refresh_from_db()
    assert copy.deleted_at is not None
    assert [each.get("deleted") for each in story.at_stripe("customer")] == [True]
    assert (copy.email, copy.name) == ("", "")
    assert story.may("sso") == "no: not_entitled"
    assert "subscription.canceled" in story.events()
    stored = str([row.data for row in OutboxEvent.objects.for_project(story.project)])
    assert "alice" not in stored.lower()

    assert tell(story, auth_service, "created", 2, "alice", name="Late") == "outdated"
    assert tell(story, auth_service, "created", 4, "alice", name="Alice anew") == "applied"
    story.process_everything()
    assert story.get("/customers/alice")["id"] != customer.pk
    assert story.may("sso") == "no: not_entitled"


def test_a_project_can_end_subscriptions_by_hand(story: Story, auth_service: AuthService) -> None:
    price = story.sells("Pro", 2900, interval="month", features={"sso": True})
    path = f"/projects/{story.project.pk}/inbound"
    assert story.patch(path, {"cancels_subscriptions": False})["secrets"]
    story.buys(price)
    refused = auth_service.send(message("deleted", 3, "alice"), message_id="msg_1")
    assert story.refused(refused) == (409, "customer-has-subscriptions")
    assert story.may("sso") == "entitled"
    story.delete(f"/subscriptions/alice/{price['product']}?when=now")
    story.process_everything()
    again = auth_service.send(message("deleted", 3, "alice"), message_id="msg_1")
    assert again.json() == {"result": "applied"}
    commit()
    story.process_everything()
    assert story.api.get("/customers/alice").status_code == 404
