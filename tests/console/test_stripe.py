"""Console actions that need Stripe report plainly when it is away."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from billing.catalog import service as catalog
from billing.catalog.catalog_requests import PriceRequest, ProductRequest
from billing.catalog.product_features import ProductEntitlement
from billing.models import Price, Product, StripeAccount, SyncObject
from common import crypto
from common.money import Money
from entitlements.models import Feature
from events.models import AuditEntry
from projects.models import Project
from sandbox import accounts
from sandbox.world import DEFAULT_SECRET_KEY
from tests.billing_fixtures import SandboxStripe
from tests.console.dialogs import messages_of, send, was_done
from tests.factories.entitlements import FeatureFactory, LimitFactory

pytestmark = pytest.mark.django_db

OWN = "sk_test_own_account"


@pytest.fixture
def features(project: Project) -> list[Feature]:
    return [
        FeatureFactory.create(project=project, code="sso"),
        LimitFactory.create(project=project, code="seats"),
    ]


@pytest.fixture
def product(project: Project, stripe: SandboxStripe, features: list[Feature]) -> Product:
    return catalog.create_product(
        project=project,
        request=ProductRequest(
            name="Pro", description="For teams", features=[ProductEntitlement("sso", True)]
        ),
        idempotency_key="product",
        actor="command",
        at=timezone.now(),
    )


@pytest.fixture
def price(product: Product) -> Price:
    return catalog.create_price(
        product=product,
        request=PriceRequest(money=Money(2900, "usd"), interval="month"),
        idempotency_key="price",
        at=timezone.now(),
    )


def dialog(row: Product | Price, name: str) -> str:
    return f"/admin/billing/{type(row).__name__.lower()}/{row.pk}/{name}/"


def entries(action: str) -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.filter(action=action).order_by("pk")
    return [(row.subject, row.actor, row.reason) for row in rows]


def test_an_operator_reads_an_object_again(
    product: Product, stripe: SandboxStripe, operator: Client
) -> None:
    assert product.stripe_id is not None
    stripe.v1.products.update(product.stripe_id, {"name": "Pro Max"})

    answer = send(operator, dialog(product, "read-again"))

    assert was_done(answer)
    assert messages_of(answer) == ["Read from Stripe and stored."]
    product.refresh_from_db()
    assert product.name == "Pro Max"
    assert entries("mirror.read_again") == [
        (product.pk, "operator:operator", "The customer asked.")
    ]


def test_reading_again_reports_that_stripe_is_away(
    product: Product, stripe: SandboxStripe, operator: Client
) -> None:
    stripe.fail("error_before", path="/v1/products/*", times=10)

    answer = send(operator, dialog(product, "read-again"))

    assert was_done(answer)
    [message] = messages_of(answer)
    assert "The object stays marked and is read again later." in message
    row = SyncObject.objects.get(stripe_id=product.stripe_id)
    assert row.applied < row.requested
    assert len(entries("mirror.read_again")) == 1


def test_an_object_that_is_not_at_stripe_cannot_be_read_again(
    product: Product, operator: Client
) -> None:
    Product.objects.for_project(product.project).update(stripe_id=None)

    answer = send(operator, dialog(product, "read-again"))

    assert "Stripe has not made this object yet. There is nothing to read." in answer.text
    assert entries("mirror.read_again") == []


def test_an_operator_sets_the_features_of_a_product(product: Product, operator: Client) -> None:
    response = operator.get(dialog(product, "features"))
    answer = send(operator, dialog(product, "features"), features="sso\nseats = 25\n")

    assert "sso = on" in response.text
    assert was_done(answer)
    value_by_feature = {
        row.feature.code: row.value for row in product.features.select_related("feature")
    }
    assert value_by_feature == {"sso": True, "seats": 25}
    assert entries("product.set_features")[-1] == (
        product.pk,
        "operator:operator",
        "The customer asked.",
    )


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("nothing = on", "nothing: the project has no such feature."),
        ("sso = 3", "sso: This feature is on or off: leave the value empty."),
        ("seats", "seats: Type a whole number, or: unlimited."),
        ("seats = 1\nseats = 2", "seats is named twice."),
    ],
)
def test_invalid_features_are_refused(
    lines: str, complaint: str, product: Product, operator: Client
) -> None:
    answer = send(operator, dialog(product, "features"), features=lines)

    assert complaint in answer.text
    assert [row.feature.code for row in product.features.select_related("feature")] == ["sso"]


def test_an_operator_changes_a_product(
    product: Product, stripe: SandboxStripe, operator: Client
) -> None:
    answer = send(operator, dialog(product, "edit"), name="Team", description="", on_sale="")

    assert was_done(answer)
    product.refresh_from_db()
    assert product.stripe_id is not None
    at_stripe = stripe.v1.products.retrieve(product.stripe_id)
    assert (product.name, product.active) == ("Team", False)
    assert (at_stripe.name, at_stripe.active) == ("Team", False)
    entry = AuditEntry.objects.get(action="product.change")
    assert (entry.before["name"], entry.after["name"]) == ("Pro", "Team")


def test_changing_a_product_reports_that_stripe_is_away(
    product: Product, stripe: SandboxStripe, operator: Client
) -> None:
    stripe.fail("error_before", path="/v1/products/*", times=10)

    answer = send(operator, dialog(product, "edit"), name="Team", on_sale="on")

    assert answer.status_code == 200
    assert 'class="tg-refusal"' in answer.text
    product.refresh_from_db()
    assert product.name == "Pro"


def test_an_operator_takes_a_price_off_sale_and_back(price: Price, operator: Client) -> None:
    assert was_done(send(operator, dialog(price, "archive")))
    price.refresh_from_db()
    assert not price.active

    assert was_done(send(operator, dialog(price, "restore")))
    assert Price.objects.for_project(price.project).get().active
    assert len(entries("price.change")) == 2


def test_an_operator_connects_an_account_and_replaces_its_key(
    project: Project, stripe: SandboxStripe, operator: Client
) -> None:
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=OWN)
    answer = send(
        operator,
        "/admin/billing/stripeaccount/connect/",
        project=project.pk,
        secret_key=OWN,
        signing_secret="whsec_first_secret",
    )

    assert was_done(answer)
    account = StripeAccount.objects.get(project=project)
    page = f"/admin/billing/stripeaccount/{account.pk}"
    rotated = send(operator, f"{page}/rotate-key/", secret_key=OWN)
    added = send(operator, f"{page}/signing-secret/", signing_secret="whsec_second_secret")
    published = send(operator, f"{page}/publishable-key/", publishable_key="pk_test_51Own")
    assert was_done(rotated)
    assert was_done(added)
    assert was_done(published)
    [endpoint] = account.endpoints.all()
    opened = [crypto.decrypt(each, context=endpoint.secret_context) for each in endpoint.secrets]
    assert opened == ["whsec_second_secret", "whsec_first_secret"]
    html = operator.get(f"{page}/change/").text
    assert f"…{OWN[-4:]}" in html
    assert "pk_test_51Own" in html
    assert not re.search(r"whsec_|sk_test_", html)
    account.refresh_from_db()
    assert account.secret_key not in html
    assert all(each not in html for each in endpoint.secrets)
    for action in ("connect", "rotate_key", "add_signing_secret", "set_publishable_key"):
        assert entries(f"stripe_account.{action}") == [
            (account.pk, "operator:operator", "The customer asked.")
        ]
    assert OWN not in repr(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("secret_key", "complaint"),
    [
        ("pk_test_123456", "Send a secret key"),
        ("sk_live_123456", "This project is test: send a test key."),
        ("sk_test_wrong_key", "key"),
        (DEFAULT_SECRET_KEY, "This is the platform&#x27;s account."),
    ],
)
def test_invalid_keys_are_refused(
    secret_key: str, complaint: str, project: Project, stripe: SandboxStripe, operator: Client
) -> None:
    answer = send(
        operator,
        "/admin/billing/stripeaccount/connect/",
        project=project.pk,
        secret_key=secret_key,
    )

    assert answer.status_code == 200
    assert complaint in answer.text
    assert secret_key not in answer.text
    assert not StripeAccount.objects.filter(project=project).exists()


def test_the_platforms_key_cannot_be_changed_in_the_console(
    account: StripeAccount, operator: Client
) -> None:
    answer = send(
        operator,
        f"/admin/billing/stripeaccount/{account.pk}/rotate-key/",
        secret_key="sk_test_123456",
    )

    assert "The platform&#x27;s own Stripe keys are set in its environment." in answer.text


def test_an_operator_defines_changes_and_archives_a_feature(
    project: Project, operator: Client
) -> None:
    response = send(
        operator,
        "/admin/entitlements/feature/define/",
        project=project.pk,
        code="export",
        name="Export",
        kind="limit",
        unit="rows",
    )
    feature = Feature.objects.for_project(project).get(code="export")
    page = f"/admin/entitlements/feature/{feature.pk}"
    again = send(
        operator,
        "/admin/entitlements/feature/define/",
        project=project.pk,
        code="export",
        name="Export",
        kind="limit",
    )

    assert was_done(response)
    assert "The project already has a feature with this code." in again.text
    assert was_done(send(operator, f"{page}/edit/", name="Exports", unit="files"))
    assert was_done(send(operator, f"{page}/archive/"))
    feature.refresh_from_db()
    assert (feature.name, feature.unit, feature.archived_at is None) == ("Exports", "files", False)
    assert was_done(send(operator, f"{page}/restore/"))
    reasons = AuditEntry.objects.filter(subject=feature.pk).values_list("reason", flat=True)
    assert list(reasons) == ["The customer asked."] * 4
