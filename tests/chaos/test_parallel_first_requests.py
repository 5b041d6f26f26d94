"""Repeated and parallel first requests leave no error in PostgreSQL's log.

Eight callers make the same first request at the same time, and one more makes it after them:
clients retry, webhooks are repeated, two tabs of one user race. Each door answers as it promises,
and nothing is written into the server's log, which is for what somebody has to look at.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from billing.accounts import service as stripe_accounts
from billing.models import Price, StripeAccount, StripeEndpoint
from entitlements.models.feature import FeatureKind
from projects.models import Project
from tests.api_client import ApiClient
from tests.database_log import DatabaseLog
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory, key_of, platform_key
from tests.factories.usage import MeterFactory
from tests.server.web_server import request, web_server
from tests.shop import RETURN, Shop
from tests.waiting import PATIENCE
from tests.webhooks.stripe_post import StripePost, event

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = 8
T = TypeVar("T")
PathAndBody = tuple[str, Any]
"""A path below /api/v1 and what is posted there."""


def answers_of_callers(act: Callable[[int], T]) -> list[T]:
    """What the callers were answered, and then one more. Each has a connection of its own."""
    start = Barrier(CALLERS)

    def call(number: int) -> T:
        try:
            start.wait(timeout=PATIENCE)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as threads:
        answers = list(threads.map(call, range(CALLERS)))
    return [*answers, act(CALLERS)]


def post_by_callers(
    key: str, request_of_caller: Callable[[int], PathAndBody], **headers: str
) -> list[Any]:
    def post(number: int) -> Any:
        path, body = request_of_caller(number)
        return ApiClient(key).post(path, body, headers=headers)

    return answers_of_callers(post)


def assert_statuses(answers: Sequence[Any], *statuses: int) -> None:
    """All were answered so; the first of the statuses is among them."""
    contents_by_status = {answer.status_code: answer.content for answer in answers}
    assert contents_by_status.keys() <= set(statuses), contents_by_status
    assert statuses[0] in contents_by_status, contents_by_status


@pytest.fixture
def metered(project: Project) -> None:
    """What Ada may use ten times, and a meter of it."""
    meter = MeterFactory.create(project=project, code="calls")
    feature = FeatureFactory.create(
        project=project, code="api", kind=FeatureKind.METERED, meter=meter, period="month"
    )
    ada = CustomerFactory.create(project=project, user_id="ada")
    state(ada, draft_fact(feature, 10, starts_at=timezone.now()), at=timezone.now())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/customers", {"user_id": "eve"}),
        ("/features", {"code": "sso", "name": "Single sign-on", "kind": "boolean"}),
        ("/meters", {"code": "bytes", "name": "Bytes", "aggregation": "sum"}),
        ("/projects/{project}/apps", {"name": "Shop", "slug": "shop"}),
    ],
)
def test_parallel_creations_of_one_name_make_one_row(
    project: Project, path: str, body: Any
) -> None:
    key, log = key_of(project), DatabaseLog()
    assert_statuses(
        post_by_callers(key, lambda _: (path.format(project=project.pk), body)), 201, 409
    )
    assert log.errors() == []


def test_parallel_projects_with_one_slug_are_one(db: None) -> None:
    key, log = platform_key(), DatabaseLog()
    answers = post_by_callers(key, lambda _: ("/projects", {"name": "Acme", "slug": "acme"}))
    assert_statuses(answers, 201, 409)
    other = ApiClient(key).post("/projects", {"name": "Other", "slug": "other"}).json()
    taken = ApiClient(key).patch(f"/projects/{other['id']}", {"slug": "acme"})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug-taken")
    assert log.errors() == []


def test_parallel_usage_of_new_users_makes_each_once(project: Project, metered: None) -> None:
    key, log = key_of(project), DatabaseLog()

    def uses(number: int) -> PathAndBody:
        names = [f"user-{(number + each) % 20}" for each in range(20)]
        records = [{"user_id": name, "meter": "calls", "value": 1} for name in names]
        return "/usage", {"records": records}

    assert_statuses(post_by_callers(key, uses), 200)
    assert log.errors() == []


def test_a_repeated_batch_counts_once(project: Project, metered: None) -> None:
    """Many records are copied, which PostgreSQL refuses where one is there already."""
    key, log = key_of(project), DatabaseLog()
    batch = [
        {"user_id": "ada", "meter": "calls", "value": 1, "key": f"use-{each}"}
        for each in range(150)
    ]
    assert_statuses(post_by_callers(key, lambda _: ("/usage", {"records": batch})), 200)
    assert log.errors() == []


def test_parallel_reservations_under_one_key_are_one(project: Project, metered: None) -> None:
    key, log = key_of(project), DatabaseLog()
    body = {"user_id": "ada", "feature": "api", "amount": 1, "key": "job"}
    answers = post_by_callers(key, lambda _: ("/entitlements/reserve", body))
    assert_statuses(answers, 200)
    assert len({answer.json()["reservation"]["id"] for answer in answers}) == 1
    assert log.errors() == []


def test_parallel_uses_under_one_key_are_one(project: Project, metered: None) -> None:
    key, log = key_of(project), DatabaseLog()
    body = {"user_id": "ada", "feature": "api", "amount": 1, "key": "job"}
    assert_statuses(post_by_callers(key, lambda _: ("/entitlements/consume", body)), 200)
    grant_request: PathAndBody = ("/credits/ada/grant", {"amount": 5, "reason": "Welcome."})
    assert_statuses(
        post_by_callers(key, lambda _: grant_request, **{"Idempotency-Key": "k"}), 201, 409
    )
    assert log.errors() == []


def test_parallel_checkouts_of_one_buyer_open_one_page(
    project: Project, shop: Shop, monthly: Price
) -> None:
    """A customer here and at Stripe, what is asked of Stripe, and a page."""
    key, log = key_of(project), DatabaseLog()
    body = {"user_id": "eve", "price": monthly.pk, "success_url": RETURN}
    assert_statuses(post_by_callers(key, lambda _: ("/checkout", body)), 201, 200, 409, 503)
    assert log.errors() == []


def test_parallel_payments_under_one_reference_are_one(project: Project, shop: Shop) -> None:
    key, log = key_of(project), DatabaseLog()
    once = shop.price(shop.product("Lifetime"), amount=9900, interval="")

    def pays(number: int) -> PathAndBody:
        body = {"price": once.pk, "success_url": RETURN, "reference": "order-1"}
        return "/payments", {"user_id": f"user-{number}", **body}

    assert_statuses(post_by_callers(key, pays), 201, 200, 409, 503)
    assert log.errors() == []


def test_parallel_metered_prices_make_one_meter(
    project: Project, shop: Shop, metered: None
) -> None:
    key, log = key_of(project), DatabaseLog()
    product = shop.product("Calls")
    body = {
        "product": product.pk,
        "unit_amount": {"amount": 1, "currency": "usd"},
        "interval": "month",
        "meter": "calls",
    }
    assert_statuses(post_by_callers(key, lambda _: ("/prices", body)), 201, 200, 409, 503)
    assert log.errors() == []


def test_parallel_portal_visits_make_one_configuration(
    project: Project, shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    shop.subscribe(shop.buyer("alice"), monthly)
    drain()
    key, log = key_of(project), DatabaseLog()
    assert_statuses(post_by_callers(key, lambda _: ("/portal", {"user_id": "alice"})), 201, 503)
    assert log.errors() == []


def test_parallel_deliveries_of_one_event_are_kept_once(endpoint: StripeEndpoint) -> None:
    log, secret = DatabaseLog(), settings.BILLING.stripe_webhook_secrets[0]
    assert_statuses(answers_of_callers(lambda _: StripePost(secret)(event())), 200)
    assert log.errors() == []


def test_parallel_first_requests_make_one_platform_account(db: None) -> None:
    log = DatabaseLog()
    answers = answers_of_callers(lambda _: stripe_accounts.platform_default(livemode=False).pk)
    assert set(answers) == {StripeAccount.objects.get().pk}
    assert log.errors() == []


def test_the_log_shows_an_unexpected_error(db: None) -> None:
    """Else an empty one would say nothing."""
    log = DatabaseLog()
    with connection.cursor() as cursor, pytest.raises(Exception, match="division by zero"):
        cursor.execute("SELECT 1 / 0")
    assert log.errors() == ["ERROR:  division by zero"]


def test_the_web_server_logs_no_error_under_load(
    project: Project, metered: None, tmp_path: Path
) -> None:
    """Its connections come from a pool, keep what they have prepared, and roll back at times."""
    key, log = key_of(project), DatabaseLog()
    bearer = f"Bearer {key}"
    use = {"user_id": "ada", "feature": "api", "amount": 1}
    posts = [
        ("/customers", {"user_id": "eve"}),
        ("/entitlements/consume", {**use, "key": "job"}),
        ("/entitlements/consume", {**use, "amount": 11}),
        ("/entitlements/reserve", {**use, "key": "hold"}),
        ("/usage", {"user_id": "eve", "meter": "calls", "value": 1, "key": "use"}),
        ("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"}),
    ]
    with web_server(tmp_path / "web.log") as port:

        def work(number: int) -> set[int]:
            statuses = set()
            for path, body in posts * 2:
                request_body = json.dumps(body).encode()
                statuses.add(
                    request(
                        port, "POST", f"/api/v1{path}", request_body, Authorization=bearer
                    ).status
                )
                check_path = f"/api/v1/entitlements/check?user_id=user-{number}&feature=api"
                statuses.add(request(port, "GET", check_path, Authorization=bearer).status)
            return statuses

        statuses = set().union(*answers_of_callers(work))
    assert {200, 201, 409} <= statuses <= {200, 201, 409, 404}
    assert log.errors() == []
