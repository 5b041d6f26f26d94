"""``/projects/{id}/stripe-account`` connects an account, rotates keys and never shows a secret."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from billing.accounts.selectors import stripe_accounts as account_selectors
from billing.models import StripeAccount
from events.models import AuditEntry
from projects.models import Project
from sandbox import accounts
from sandbox.world import DEFAULT_SECRET_KEY
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of

OWN, SPARE, STRANGE = "sk_test_own_account", "rk_test_own_spare", "sk_test_strange_account"
PUBLISHABLE, LATER = "pk_test_51OwnOwnOwn", "pk_test_51OwnOwnOwnRolled"
FIRST, SECOND, THIRD = (f"whsec_{letter * 24}" for letter in "abc")


@pytest.fixture
def own(stripe: SandboxStripe) -> SandboxStripe:
    """A second Stripe account, with two keys, and a third."""
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=OWN)
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=SPARE)
    accounts.open_account(stripe.world, account_id="acct_1StrangeStrange0", secret_key=STRANGE)
    return stripe


@pytest.fixture
def path(project: Project) -> str:
    return f"/projects/{project.pk}/stripe-account"


def refusal(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_a_project_starts_with_the_shared_account(api: ApiClient, own: Any, path: str) -> None:
    body = api.get(path).json()
    assert (body["is_shared"], body["livemode"]) == (True, False)
    assert (body["secret_key_last_four"], body["webhook_url"]) == (None, None)
    assert refusal(api.patch(path, {"secret_key": OWN})) == (404, "not-found")


def test_a_project_connects_and_sells_through_its_own_account(
    tenant: Tenant, own: SandboxStripe, path: str
) -> None:
    connected = tenant.api.post(path, {"secret_key": OWN, "signing_secret": FIRST})
    assert connected.status_code == 201
    body = connected.json()
    assert (body["is_shared"], body["stripe_id"]) == (False, "acct_1OwnOwnOwnOwnOwn")
    assert (body["secret_key_last_four"], body["signing_secrets"]) == (OWN[-4:], 1)
    assert tenant.api.get(path).json() == body
    price = tenant.price()
    assert tenant.at_stripe("price") == []
    assert own.client(OWN).v1.prices.retrieve(price["stripe_id"]).unit_amount == 2900


def test_secrets_are_sealed_and_never_shown(
    api: ApiClient, own: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        api.post(path, {"secret_key": OWN, "signing_secret": FIRST})
        api.patch(path, {"secret_key": SPARE, "signing_secret": SECOND})
        html = api.get(path).content.decode()
    account = StripeAccount.objects.get(project__isnull=False)
    endpoint = account_selectors.endpoint_of(account)
    assert endpoint is not None
    texts = [html, caplog.text, account.secret_key, *endpoint.secrets]
    texts += [f"{entry.before}{entry.after}" for entry in AuditEntry.objects.all()]
    for secret in (OWN, SPARE, FIRST, SECOND):
        assert not any(secret in text for text in texts)
    assert account_selectors.signing_secrets(endpoint) == [SECOND, FIRST]


def test_two_signing_secrets_live_at_once(api: ApiClient, own: Any, path: str) -> None:
    api.post(path, {"secret_key": OWN})
    for count, secret in enumerate((FIRST, SECOND, THIRD), start=1):
        body = api.patch(path, {"signing_secret": secret}).json()
        assert body["signing_secrets"] == min(count, 2)
    endpoint = account_selectors.endpoint_by_token(body["webhook_url"].rpartition("/")[2])
    assert endpoint is not None
    assert account_selectors.signing_secrets(endpoint) == [THIRD, SECOND]


def test_a_key_of_another_account_is_refused(api: ApiClient, own: Any, path: str) -> None:
    body = api.post(path, {"secret_key": OWN}).json()
    assert refusal(api.patch(path, {"secret_key": STRANGE})) == (409, "wrong-stripe-account")
    assert api.get(path).json() == body


def test_no_project_can_connect_the_platforms_account(
    api: ApiClient, neighbour: Tenant, own: SandboxStripe, path: str
) -> None:
    """By any key of it: what every other project sells there would be this one's."""
    neighbours_product = neighbour.product("Theirs")
    platform = own.v1.accounts.retrieve_current().id
    accounts.open_account(own.world, account_id=platform, secret_key="rk_test_platform_spare")
    for key in (DEFAULT_SECRET_KEY, "rk_test_platform_spare"):
        assert refusal(api.post(path, {"secret_key": key})) == (409, "wrong-stripe-account")
    assert not StripeAccount.objects.filter(project__isnull=False).exists()
    assert api.get(f"/products/{neighbours_product['id']}").status_code == 404


def test_connecting_does_not_need_the_platforms_key(
    api: ApiClient, own: SandboxStripe, path: str
) -> None:
    accounts.revoke_key(own.world, DEFAULT_SECRET_KEY)
    assert api.post(path, {"secret_key": OWN}).status_code == 201


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"secret_key": "sk_live_something"}, (409, "wrong-stripe-account")),
        ({"secret_key": "pk_test_something"}, (422, "invalid")),
        ({"secret_key": "tg_test_something"}, (422, "invalid")),
        ({"secret_key": "sk_test_nobody_knows"}, (409, "stripe-key-refused")),
        ({"secret_key": OWN, "signing_secret": "secret"}, (422, "invalid")),
        ({"secret_key": OWN + "\n"}, None),
        ({"secret_key": ""}, (422, "invalid")),
        ({}, (422, "invalid")),
    ],
)
def test_keys_of_the_wrong_kind_mode_or_account_are_refused(
    api: ApiClient, own: Any, path: str, body: dict[str, str], expected: tuple[int, str] | None
) -> None:
    response = api.post(path, body)
    if expected is None:  # white space around a pasted key is taken off
        assert response.status_code == 201
        return
    assert refusal(response) == expected
    assert not StripeAccount.objects.filter(project__isnull=False).exists()
    assert "sk_" not in response.content.decode().replace("(sk_…)", "")


def test_a_project_with_products_cannot_change_its_account(
    tenant: Tenant, own: Any, path: str
) -> None:
    tenant.product()
    assert refusal(tenant.api.post(path, {"secret_key": OWN})) == (409, "account-in-use")


def test_connecting_again_rotates_the_key(api: ApiClient, own: Any, path: str) -> None:
    api.post(path, {"secret_key": OWN})
    assert refusal(api.post(path, {"secret_key": SPARE})) == (409, "account-exists")


def test_connecting_needs_the_projects_own_key_with_write_scope(
    api: ApiClient,
    other_api: ApiClient,
    platform_api: ApiClient,
    project: Project,
    own: Any,
    path: str,
) -> None:
    body = {"secret_key": OWN}
    assert refusal(other_api.get(path)) == refusal(other_api.post(path, body)) == (404, "not-found")
    assert refusal(platform_api.get(f"/projects/prj_{'0' * 26}/stripe-account"))[0] == 404
    reader = ApiClient(key_of(project, scopes=["project:read"]))
    assert reader.get(path).status_code == 200
    assert refusal(reader.post(path, body)) == (403, "scope-missing")
    assert platform_api.post(path, body).status_code == 201
    entry = AuditEntry.objects.get(action="stripe_account.connect")
    assert (entry.project_id, entry.actor.startswith("key:")) == (project.pk, True)


def test_a_key_revoked_at_stripe_stops_sales_and_is_reported(
    tenant: Tenant, own: SandboxStripe, path: str
) -> None:
    tenant.api.post(path, {"secret_key": OWN})
    accounts.revoke_key(own.world, OWN)
    refused = tenant.api.post("/products", {"name": "Pro"})
    assert refusal(refused) == (409, "stripe-key-refused")
    assert tenant.api.get("/products").status_code == 200
    assert tenant.api.patch(path, {"secret_key": SPARE}).status_code == 200
    assert tenant.product()["active"] is True


def test_a_publishable_key_is_kept_shown_and_replaced(
    api: ApiClient, own: Any, path: str, project: Project
) -> None:
    body = api.post(path, {"secret_key": OWN, "publishable_key": PUBLISHABLE}).json()
    assert body["publishable_key"] == PUBLISHABLE
    assert StripeAccount.objects.get(project=project).publishable_key == PUBLISHABLE
    changed = api.patch(path, {"publishable_key": LATER}).json()
    assert changed == {**body, "publishable_key": LATER}
    assert api.get(path).json() == changed
    entry = AuditEntry.objects.get(action="stripe_account.set_publishable_key")
    assert (entry.before, entry.after) == (
        {"publishable_key": PUBLISHABLE},
        {"publishable_key": LATER},
    )


@pytest.mark.parametrize(
    ("publishable_key", "expected"),
    [
        ("pk_live_51OwnOwnOwn", (409, "wrong-stripe-account")),
        ("sk_test_51OwnOwnOwn", (422, "invalid")),
        ("pk_test_", (422, "invalid")),
        ("pk_test_with space", (422, "invalid")),
        ("pk_test_" + "x" * 300, (422, "invalid")),
        ("<script>", (422, "invalid")),
    ],
)
def test_a_publishable_key_of_the_wrong_kind_or_mode_is_refused(
    api: ApiClient, own: Any, path: str, publishable_key: str, expected: tuple[int, str]
) -> None:
    body = {"secret_key": OWN, "publishable_key": publishable_key}
    assert refusal(api.post(path, body)) == expected
    assert not StripeAccount.objects.filter(project__isnull=False).exists()
    connected = api.post(path, {"secret_key": OWN}).json()
    assert refusal(api.patch(path, {"publishable_key": publishable_key})) == expected
    assert api.get(path).json() == connected


def test_the_platforms_publishable_key_is_of_one_mode(
    api: ApiClient, own: Any, path: str, settings: Settings
) -> None:
    shown = {}
    for key in (PUBLISHABLE, "pk_live_51Platform", ""):
        settings.BILLING = replace(settings.BILLING, stripe_publishable_key=key)
        shown[key] = api.get(path).json()["publishable_key"]
    assert shown == {PUBLISHABLE: PUBLISHABLE, "pk_live_51Platform": None, "": None}
