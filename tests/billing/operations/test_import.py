"""An existing Stripe account is imported once, whatever interrupts the import."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.accounts import service as stripe_accounts
from billing.models import (
    Coupon,
    ImportProgress,
    Invoice,
    Payment,
    Price,
    Product,
    PromotionCode,
    StripeAccount,
    StripeCustomer,
    Subscription,
    SyncObject,
)
from billing.operations import imports
from billing.sync import service as sync
from events.models import OutboxEvent
from projects.models import Customer, Project
from sandbox import accounts
from tests.back_offs import end_pauses
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import ProjectFactory
from tests.sandbox_stripe import SandboxStripe as Hands

OWN = "sk_test_own_account"
MODELS = (
    StripeCustomer,
    Product,
    Price,
    Coupon,
    PromotionCode,
    Subscription,
    Invoice,
    Payment,
)


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def own(stripe: SandboxStripe, project: Project) -> Any:
    """The project's own account, which has been selling for a while."""
    accounts.open_account(stripe.world, account_id="acct_1OwnOwnOwnOwnOwn", secret_key=OWN)
    stripe_accounts.connect(
        project=project,
        secret_key=OWN,
        signing_secret="whsec_" + "a" * 24,
        actor="command",
        at=timezone.now(),
    )
    own = Hands(stripe.world, OWN).v1
    sell(own)
    return own


def sell(own: Any) -> None:
    product = own.products.create({"name": "Pro"})
    price = own.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": 2900,
            "recurring": {"interval": "month"},
        }
    )
    coupon = own.coupons.create({"percent_off": 20, "duration": "once"})
    own.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "SPRING"}
    )
    named = own.customers.create(
        {"email": "ada@example.com", "name": "Ada", "metadata": {"uid": "ada-1"}}
    )
    own.customers.create({"email": "bob@example.com"})
    own.customers.create({"email": "again@example.com", "metadata": {"uid": "ada-1"}})
    method = own.payment_methods.attach("pm_card_visa", {"customer": named.id})
    own.customers.update(named.id, {"invoice_settings": {"default_payment_method": method.id}})
    own.subscriptions.create({"customer": named.id, "items": [{"price": price.id}]})


def run(project: Project, *arguments: str) -> dict[str, str]:
    """What the command says about each kind."""
    out = StringIO()
    call_command("import_stripe", "--project", project.slug, *arguments, stdout=out)
    lines = out.getvalue().splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.across_projects().count() for model in MODELS}


def everything() -> list[Any]:
    return [[*model.objects.across_projects().order_by("pk").values()] for model in MODELS]


def test_an_import_brings_every_object_in_once(own: Any, project: Project) -> None:
    neighbour = ProjectFactory.create()
    output = run(project, "--user-id-metadata", "uid")
    assert output["customer"].startswith("3 listed, 3 new, 0 changed, 0 the same, 0 not for us, 0 ")
    assert counts() == {
        "StripeCustomer": 3,
        "Product": 1,
        "Price": 1,
        "Coupon": 1,
        "PromotionCode": 1,
        "Subscription": 1,
        "Invoice": 1,
        "Payment": 1,
    }
    ada = Customer.objects.for_project(project).get(user_id="ada-1")
    stripe_customers = StripeCustomer.objects.for_project(project)
    by_email = dict(stripe_customers.values_list("email", "customer__user_id"))
    stripes = dict(stripe_customers.values_list("email", "stripe_id"))
    assert (ada.email, ada.name) == ("ada@example.com", "Ada") or by_email[
        "again@example.com"
    ] == "ada-1"
    assert by_email["bob@example.com"] == stripes["bob@example.com"]
    assert sorted(by_email.values()).count("ada-1") == 1
    subscription = Subscription.objects.for_project(project).get()
    assert subscription.status == "active"
    assert Payment.objects.for_project(project).get().amount == 2900
    assert not Customer.objects.for_project(neighbour).exists()
    assert not SyncObject.objects.exclude(leased_until=None).exists()

    before, events = everything(), OutboxEvent.objects.across_projects().count()
    again = run(project, "--user-id-metadata", "uid")
    assert everything() == before
    assert OutboxEvent.objects.across_projects().count() == events
    assert again["customer"].startswith("3 listed, 0 new, 0 changed, 3 the same, 0 not for us, 0 ")
    assert sync.drain(at=timezone.now()) == 0


def test_a_dry_run_counts_and_stores_nothing(own: Any, project: Project) -> None:
    before = everything()
    output = run(project, "--dry-run")
    assert {kind: line.split(", ")[1] for kind, line in output.items()} == {
        "customer": "3 new",
        "product": "1 new",
        "price": "1 new",
        "coupon": "1 new",
        "promotion_code": "1 new",
        "subscription": "1 new",
        "payment_intent": "1 new",
        "invoice": "1 new",
        "fraud_warning": "0 new",
    }
    assert everything() == before
    assert not Customer.objects.for_project(project).exists()
    assert not ImportProgress.objects.across_projects().exists()
    assert not SyncObject.objects.exists()


def test_an_import_corrects_existing_rows(own: Any, project: Project) -> None:
    run(project, "--kinds", "product")
    own.products.update(own.products.list().data[0].id, {"name": "Pro Max"})
    assert run(project, "--kinds", "product")["product"].startswith("1 listed, 0 new, 1 changed")
    assert Product.objects.for_project(project).get().name == "Pro Max"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two objects in a page, in the list and in what is taken of it."""
    from billing.stripe import fields  # noqa: PLC0415  # the constant lives there

    monkeypatch.setattr(fields, "PAGE", 2)
    monkeypatch.setattr(imports, "PAGE", 2)


@pytest.mark.parametrize("request_number", range(1, 10))
def test_a_killed_import_goes_on_where_it_stopped(
    own: Any,
    project: Project,
    stripe: SandboxStripe,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
    request_number: int,
) -> None:
    for number in range(6):
        own.products.create({"name": f"Product {number}"})
    send, urls = stripe.transport.request, list[str]()

    def dying(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        urls.append(url)
        if len(urls) == request_number:
            raise Killed
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(stripe.transport, "request", dying)
    try:
        run(project, "--kinds", "product")
    except Killed:
        stored = Product.objects.for_project(project).count()
        assert stored <= request_number
        SyncObject.objects.update(leased_until=None)  # in fifteen seconds
        urls.clear()
        urls.extend([""] * request_number)
        run(project, "--kinds", "product", "--since-cursor")
        assert ("starting_after" in urls[request_number]) == (stored >= 2)
    names = Product.objects.for_project(project).values_list("name", flat=True)
    assert sorted(names) == sorted(["Pro", *(f"Product {number}" for number in range(6))])
    progress = ImportProgress.objects.for_project(project).get()
    assert (progress.after, progress.finished_at is not None) == ("", True)
    urls.clear()
    assert run(project, "--kinds", "product", "--since-cursor")["product"].startswith("0 listed")
    assert urls == []


def test_an_import_resumes_after_an_outage_of_stripe(
    own: Any, project: Project, stripe: SandboxStripe, small_pages: None
) -> None:
    for number in range(4):
        own.products.create({"name": f"Product {number}"})
    stripe.fail("error_before", path="/v1/products", skip=2, times=3)
    with pytest.raises(CommandError, match="--since-cursor to continue"):
        run(project, "--kinds", "product")
    assert Product.objects.for_project(project).count() == 2
    run(project, "--kinds", "product", "--since-cursor")
    assert Product.objects.for_project(project).count() == 5


def test_an_import_starts_again_if_its_cursor_is_gone(own: Any, project: Project) -> None:
    account = StripeAccount.objects.get(project=project)
    ImportProgress.objects.for_project(project).create(
        account=account, kind="product", after="prod_gone"
    )
    run(project, "--kinds", "product", "--since-cursor")
    assert Product.objects.for_project(project).count() == 1


def test_one_object_that_cannot_be_stored_does_not_stop_the_others(
    own: Any, project: Project, stripe: SandboxStripe, drain: Callable[[], None]
) -> None:
    """Prices before their product: they wait, and come when the workers have read it."""
    output = run(project, "--kinds", "price")
    assert output["price"].endswith("1 still to be read, 0 that could not be read.")
    SyncObject.objects.update(next_try_at=timezone.now())
    end_pauses()
    sync.drain(at=timezone.now())
    SyncObject.objects.update(next_try_at=timezone.now())
    sync.drain(at=timezone.now())
    assert Price.objects.for_project(project).get().unit_amount == 2900


def test_a_shared_account_cannot_be_imported(stripe: SandboxStripe, project: Project) -> None:
    with pytest.raises(CommandError, match="nothing-to-import"):
        run(project)
    assert not ImportProgress.objects.across_projects().exists()


REFUSAL = '{"error": {"type": "invalid_request_error", "message": "No."}}'


def test_a_list_that_is_refused_stops_only_its_kind(
    own: Any, project: Project, stripe: SandboxStripe
) -> None:
    stripe.fail("malformed_before", path="/v1/coupons", times=9, status=400, body=REFUSAL)
    with pytest.raises(CommandError, match=r"coupon: Stripe says: No\. .*--since-cursor"):
        run(project)
    assert counts() == {**{model.__name__: 1 for model in MODELS}, "Coupon": 0, "PromotionCode": 0,
                        "StripeCustomer": 3}  # fmt: skip
    stripe.world.faults.clear()
    run(project, "--since-cursor")
    assert Coupon.objects.for_project(project).count() == 1


def test_an_object_that_cannot_be_mapped_is_left_to_the_workers(
    own: Any, project: Project, stripe: SandboxStripe
) -> None:
    gone = own.products.create({"name": "Later"}).id
    stripe.fail("malformed_after", path="/v1/products", changes={"metadata": 5}, place=0, times=2)
    output = run(project, "--kinds", "product")
    assert output["product"].startswith("2 listed, 1 new, ")
    assert output["product"].endswith("0 still to be read, 1 that could not be read.")
    assert not Product.objects.for_project(project).filter(stripe_id=gone).exists()
    sync.drain(at=timezone.now())
    assert Product.objects.for_project(project).get(stripe_id=gone).name == "Later"
