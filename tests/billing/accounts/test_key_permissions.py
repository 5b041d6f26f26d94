"""Missing permissions of a restricted Stripe key are found early and shown."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.accounts import key_permissions
from billing.accounts import service as stripe_accounts
from billing.models import StripeAccount
from billing.stripe.permissions import REQUIRED
from projects.models import Project
from sandbox import accounts
from sandbox.permissions import PERMISSIONS
from tests.api_client import ApiClient
from tests.sandbox_stripe import Clock, SandboxStripe

OWN = "acct_1OwnOwnOwnOwnOwn"
EVERYTHING = {name.removeprefix("rak_") for name in REQUIRED}


def connect(stripe: SandboxStripe, project: Project, *, without: set[str]) -> StripeAccount:
    """The project's own account, by a restricted key that lacks these permissions."""
    key = "rk_test_restricted"
    accounts.open_account(
        stripe.world, account_id=OWN, secret_key=key, permissions=EVERYTHING - without
    )
    return stripe_accounts.connect(
        project=project, secret_key=key, signing_secret="", actor="test", at=timezone.now()
    )


def test_the_document_lists_every_needed_permission() -> None:
    page = Path("docs/stripe-keys.md").read_text()
    assert all(f"| `{name}` | {needed_for} |" in page for name, (needed_for, _) in REQUIRED.items())
    assert EVERYTHING <= PERMISSIONS


def test_an_unrestricted_key_lacks_no_permission(stripe: SandboxStripe, project: Project) -> None:
    account = connect(stripe, project, without=set())
    with stripe.unchanged():
        before = dict(stripe.world.store.items())
        assert key_permissions.check(account=account, at=timezone.now()) == []
        assert {key[1] for key in dict(stripe.world.store.items()).keys() - before.keys()} <= {
            "_idempotency"
        }


@pytest.mark.parametrize("name", sorted(EVERYTHING - {"connected_account_read"}))
def test_each_missing_permission_is_detected(
    stripe: SandboxStripe, project: Project, name: str
) -> None:
    account = connect(stripe, project, without={name})
    missing_permissions = key_permissions.check(account=account, at=timezone.now())
    assert missing_permissions == ([] if name in IMPLIED_BY_OTHERS else [f"rak_{name}"])


IMPLIED_BY_OTHERS = {"credit_note_read", "invoice_read"}
"""Either of the two lets its holder read the other kind."""


def test_a_missing_permission_is_shown_until_it_is_granted(
    stripe: SandboxStripe,
    project: Project,
    api: ApiClient,
    clock: Clock,
) -> None:
    connect(stripe, project, without={"coupon_write", "event_read"})
    assert key_permissions.check_due(at=clock.now) == 2, "the platform's own key as well"
    assert key_permissions.check_due(at=clock.now) == 0
    missing = ["rak_coupon_write", "rak_event_read"]
    body = api.get(f"/projects/{project.pk}/stripe-account").json()
    assert body["missing_permissions"] == missing
    assert health()["stripe_keys"] == {
        "status": "degraded",
        "detail": "1 restricted key(s) lack permissions",
    }
    account = StripeAccount.objects.get(project=project)
    accounts.open_account(
        stripe.world, account_id=OWN, secret_key="rk_test_better", permissions=EVERYTHING
    )
    stripe_accounts.rotate_key(
        account=account, secret_key="rk_test_better", actor="test", at=clock.now
    )
    assert key_permissions.check_due(at=clock.now) == 1, "a new key is looked at again"
    assert health()["stripe_keys"] == {"status": "ok"}
    clock.advance(days=1)
    assert key_permissions.check_due(at=clock.now) == 2


def health() -> dict[str, Any]:
    return dict(Client().get("/health").json()["checks"])
