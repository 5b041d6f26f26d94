"""The cases between Stripe and an answer measure what they say, and see what is wrong."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from werkzeug.serving import make_server

from benchmarks import report, stripe_events, subscribers
from benchmarks.measurements import Measurements
from benchmarks.measures import checkout_sync
from benchmarks.measures.answer_delay import AnswerDelays
from benchmarks.measures.processing import find_mistakes
from benchmarks.sizes import QUICK
from benchmarks.stripe_account import StripeAccount
from benchmarks.stripe_stack import Seller
from billing.models import Invoice, StripeCustomer, SyncObject
from projects.models import Project
from sandbox.app import SandboxApplication
from sandbox.world import DEFAULT_SECRET_KEY
from tests.factories.projects import CustomerFactory
from tests.sandbox_stripe import SandboxStripe
from tests.shop import Shop
from tests.webhooks.stripe_post import StripePost
from webhooks.models import InboundEvent


@pytest.fixture
def served(stripe: SandboxStripe) -> Iterator[StripeAccount]:
    """The platform's account over HTTP, as the benchmark speaks to it."""
    server = make_server("127.0.0.1", 0, SandboxApplication(stripe.world))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield StripeAccount(server.port, DEFAULT_SECRET_KEY)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def seller(shop: Shop, served: StripeAccount, drain: Callable[[], None]) -> Seller:
    """Sells to two customers, whose subscriptions are stored."""
    price = shop.price(shop.product())
    customers = subscribers.create_many(served, price=price.stripe_id or "", count=2)
    for one in customers:
        StripeCustomer.objects.create(
            project=shop.project,
            account=shop.account,
            customer=CustomerFactory.create(project=shop.project, user_id=one.user_id),
            stripe_id=one.stripe_id,
        )
    drain()
    return Seller(
        project=shop.project.pk,
        key="",
        account=served,
        webhook_path="",
        price=price.pk,
        price_stripe_id=price.stripe_id or "",
        customers=customers,
    )


def test_a_row_that_differs_from_stripe_is_a_mistake(
    seller: Seller, drain: Callable[[], None]
) -> None:
    assert _mistakes(seller) == []
    first, second = seller.customers
    subscribers.raise_quantity(seller.account, first)
    subscribers.cancel_or_resubscribe(seller.account, second, price=seller.price_stripe_id)

    changed, new_invoice, canceled = _mistakes(seller)
    assert "('active', 2) at Stripe, and ('active', 1) is stored" in changed
    assert "('canceled', 1) at Stripe, and ('active', 1) is stored" in new_invoice
    assert canceled.endswith("and None is stored")

    drain()
    assert _mistakes(seller) == []
    subscribers.cancel_or_resubscribe(seller.account, second, price=seller.price_stripe_id)
    drain()
    assert (second.is_active, _mistakes(seller)) == (True, [])
    Invoice.objects.across_projects().update(total=1)
    assert len(_mistakes(seller)) == 2


def test_an_object_that_was_put_aside_is_a_mistake(seller: Seller, project: Project) -> None:
    account = StripeCustomer.objects.across_projects().first()
    assert account is not None
    account.account.project = project
    account.account.save(update_fields=["project"])
    SyncObject.objects.filter(kind="invoice").update(parked_at=datetime.now(UTC))
    assert _mistakes(seller) == ["2 objects are parked or foreign"]


def test_events_are_taken_for_those_of_stripe(stripe: SandboxStripe) -> None:
    secret = settings.BILLING.stripe_webhook_secrets[0]
    body = stripe_events.build_event("invoice.paid", {"id": "in_1", "object": "invoice"})
    post = StripePost("")
    assert post(body, header=stripe_events.sign(body, "whsec_other")).status_code == 400
    assert post(body, header=stripe_events.sign(body, secret)).status_code == 200
    assert InboundEvent.objects.get().type == "invoice.paid"
    assert SyncObject.objects.get().stripe_id == "in_1"


def test_percentiles_of_delays_are_values_that_were_measured() -> None:
    delays = AnswerDelays([float(number) for number in range(100, 0, -1)])
    assert [delays.percentile(percent) for percent in (50, 99, 100)] == [50, 99, 100]
    assert AnswerDelays([7.0]).percentile(99) == 7.0
    assert AnswerDelays([]).percentile(99) == float("inf")


def test_requests_to_stripe_are_added_up_over_resources_and_outcomes() -> None:
    metrics = """# TYPE tollgate_stripe_requests counter
tollgate_stripe_requests_total{outcome="ok",resource="checkout"} 12.0
tollgate_stripe_requests_total{outcome="missing",resource="invoices"} 3.0
tollgate_stripe_request_duration_seconds_count{resource="invoices"} 3.0
"""
    assert checkout_sync.count_requests(metrics) == 15


@pytest.mark.parametrize(
    ("status", "body", "is_right"),
    [
        (200, {"status": "complete", "entitlements": [{"feature": "pro", "allowed": True}]}, True),
        (
            200,
            {"status": "complete", "entitlements": [{"feature": "pro", "allowed": False}]},
            False,
        ),
        (200, {"status": "open", "entitlements": [{"feature": "pro", "allowed": True}]}, False),
        (503, {}, False),
    ],
)
def test_a_sync_is_right_if_the_buyer_has_what_was_bought(
    status: int, body: Any, is_right: bool
) -> None:
    assert (checkout_sync.find_mistake(status, body) == []) is is_right


def test_the_report_marks_costs_above_their_target_and_rates_below_it() -> None:
    figures = Measurements()
    for value in (310.0, 290.0, 305.0):
        figures.add_cost(report.case_name(report.SYNC), value)
        figures.add_cost(report.case_name(report.SYNC, report.FULL), value)
    figures.add_cost(report.case_name(report.WEB_MIB), 90.0)
    figures.add(report.case_name(report.PROCESSING.format("unchanged", report.LIFTED)), 790)
    figures.add(report.DJSTRIPE_PROCESSING.format("unchanged"), 80)
    markdown = report.render_markdown(
        figures, size=QUICK, machine="2 cores", pages={}, now=datetime(2026, 11, 25, tzinfo=UTC)
    )
    assert f"| {report.SYNC} · empty | 305.00 ✗ | 290.00 | 310.00 | ≤ 300 |" in markdown
    assert f"| {report.SYNC} · full | 305.00 | 290.00 | 310.00 |  |" in markdown
    assert f"| {report.WEB_MIB} · empty | 90.00 | 90.00 | 90.00 | ≤ 90 |" in markdown
    ratio = "| processing, unchanged, budget lifted : dj-stripe | 9.88 ✗ | 9.88 | 9.88 | ≥ 10 |"
    assert ratio in markdown


def _mistakes(seller: Seller) -> list[str]:
    """What is wrong with the seller's rows and newest invoices."""
    call = seller.account.call
    ids = [one.subscription["latest_invoice"] for one in seller.customers]
    invoices = [call("GET", f"/v1/invoices/{each}") for each in ids]
    connection.ensure_connection()
    own = connection.connection
    assert isinstance(own, psycopg.Connection)
    return find_mistakes(own, seller, invoices)
