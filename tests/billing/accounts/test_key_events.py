"""A refused secret key of a project's own account has one event, and so has an accepted one."""

import json
from typing import Any

import pytest
from django.utils import timezone

from billing import tasks
from billing.models import StripeAccount
from billing.stripe import account_pin
from billing.sync import service as sync
from projects.models import Project
from sandbox import accounts
from sandbox.world import DEFAULT_SECRET_KEY
from tests.api_client import ApiClient
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing_fixtures import SandboxStripe

OWN, SPARE = "sk_test_own_account_key", "rk_test_own_spare_key"


@pytest.fixture
def path(stripe: SandboxStripe, project: Project) -> str:
    """The address of an account with two keys."""
    for key in (OWN, SPARE):
        accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=key)
    return f"/projects/{project.pk}/stripe-account"


def check_everything() -> None:
    """Read an object of each account and run the periodic checks, twice."""
    for _ in range(2):
        end_pauses()
        for account in StripeAccount.objects.all():
            sync.request_sync(account_id=account.pk, kind="product", stripe_id="prod_1")
        sync.drain(at=timezone.now())
        tasks.check_permissions()
        tasks.check_stripe_keys()


def recorded(project: Project) -> list[Any]:
    return outbox_events.events(project, "stripe_account.")


def test_a_revoked_and_replaced_key(
    api: ApiClient, stripe: SandboxStripe, project: Project, path: str
) -> None:
    assert api.post(path, {"secret_key": OWN}).status_code == 201
    check_everything()
    assert recorded(project) == []
    accounts.revoke_key(stripe.world, OWN)
    check_everything()
    (refused,) = recorded(project)
    row = StripeAccount.objects.get(project=project)
    assert (refused.type, refused.subject) == ("stripe_account.key_refused", row.pk)
    assert (refused.customer_id, refused.version) == ("", 0)
    assert refused.previous == {"refused_since": None}
    since = refused.data["refused_since"]
    assert refused.data == {
        "id": row.pk,
        "name": row.name,
        "livemode": False,
        "stripe_id": "acct_1OwnOwnOwnOwnOwn",
        "secret_key_last_four": OWN[-4:],
        "refused_since": since,
    }
    assert api.patch(path, {"secret_key": SPARE}).status_code == 200
    check_everything()
    _, accepted = recorded(project)
    assert accepted.type == "stripe_account.key_accepted"
    assert accepted.data == {**refused.data, "refused_since": None}
    assert accepted.previous == {"refused_since": since}
    assert OWN not in json.dumps([each.data for each in recorded(project)])


def test_a_key_that_stripe_accepts_again(
    api: ApiClient, stripe: SandboxStripe, project: Project, path: str
) -> None:
    assert api.post(path, {"secret_key": OWN}).status_code == 201
    accounts.revoke_key(stripe.world, OWN)
    check_everything()
    key = (accounts.SYSTEM, "_secret_key", OWN)
    with stripe.world.lock:
        stored = stripe.world.store.get(key)
        assert stored is not None
        stripe.world.store.write([(key, {**stored, "revoked": False})])
    check_everything()
    assert [each.type for each in recorded(project)] == [
        "stripe_account.key_refused",
        "stripe_account.key_accepted",
    ]


def test_the_shared_accounts_key_has_no_event(stripe: SandboxStripe, project: Project) -> None:
    accounts.revoke_key(stripe.world, DEFAULT_SECRET_KEY)
    account_pin.forget()
    check_everything()
    assert outbox_events.types(project) == []
