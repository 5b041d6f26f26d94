"""An app's key: every route, with every scope that a key can have written beside it.

An app shares its project's customers and sells from its catalog. What belongs to the project as a
whole, or to another app, it neither changes nor sees.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from billing.models import StripeAccount
from common.models import ProjectOwned
from projects.keys.scopes import ALL_SCOPES
from projects.models import ApiKey, App, Project
from tests.api_client import ApiClient
from tests.architecture.route import Route
from tests.architecture.routes import ROUTES
from tests.architecture.tables import tables_of
from tests.architecture.tenant import Words, fill, unknown_words
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import AppFactory, key_of
from tests.transactions import count_writes, rolled_back

OF_THE_PROJECT = {
    "billing_analyticsprogress",
    "billing_coupon",
    "billing_importprogress",
    "billing_portalsettings",
    "billing_price",
    "billing_product",
    "billing_productfeature",
    "billing_promotioncode",
    "billing_revenueday",
    "billing_rollout",
    "billing_rolloutmove",
    "billing_stripemeter",
    "billing_subscriptionday",
    "billing_subscriptionspan",
    "delivery_inboundsecret",
    "delivery_inboundsettings",
    "delivery_mailoptout",
    "delivery_mailsettings",
    "delivery_mailsuppression",
    "delivery_notification",
    "delivery_webhookattempt",
    "delivery_webhookcheck",
    "delivery_webhookdelivery",
    "delivery_webhookendpoint",
    "delivery_webhookportal",
    "delivery_webhookreplay",
    "delivery_webhooksecret",
    "delivery_workflowsignal",
    "entitlements_feature",
    "entitlements_freetierentry",
    "entitlements_grant",
    "entitlements_permissionmap",
    "entitlements_rules",
    "projects_app",
    "projects_jwtsettings",
    "usage_meter",
}
"""Tables that no app's key changes a row of. Of ``projects_apikey`` it changes its app's rows."""

OF_ITS_CUSTOMERS = {
    "billing_cart",
    "billing_cartline",
    "billing_checkout",
    "billing_checkoutline",
    "billing_creditnote",
    "billing_dispute",
    "billing_driftreport",
    "billing_earlyfraudwarning",
    "billing_invoice",
    "billing_invoiceline",
    "billing_invoicepayment",
    "billing_missingobject",
    "billing_payment",
    "billing_portalconfiguration",
    "billing_refund",
    "billing_stripecustomer",
    "billing_stripeintent",
    "billing_subscription",
    "billing_subscriptionitem",
    "delivery_inbounduser",
    "entitlements_creditaccount",
    "entitlements_creditentry",
    "entitlements_creditgrant",
    "entitlements_credittransaction",
    "entitlements_fact",
    "entitlements_limitnotice",
    "entitlements_recheck",
    "entitlements_reservation",
    "entitlements_snapshot",
    "entitlements_userpermissions",
    "events_customerhead",
    "events_loggedevent",
    "events_outboxevent",
    "events_projecthead",
    "projects_customer",
    "projects_idempotencykey",
    "usage_counter",
    "usage_movement",
    "usage_record",
    "usage_recordkey",
    "usage_total",
}
"""What the project's customers buy, pay, have and use, which its apps share."""

CLOSED_SCOPES = ("catalog:write", "webhooks:write", "admin:reconcile")
CLOSED = {
    "POST /projects",
    "PATCH /projects/{project_id}",
    "POST /projects/{project_id}/suspend",
    "POST /projects/{project_id}/resume",
    "POST /projects/{project_id}/apps",
    "PATCH /projects/{project_id}/apps/{app_id}",
    "PATCH /projects/{project_id}/mail",
    "PUT /projects/{project_id}/permission-map",
    "PATCH /projects/{project_id}/inbound",
    "POST /projects/{project_id}/inbound/rotate-secret",
    "POST /projects/{project_id}/inbound/secrets/{inbound_secret}/revoke",
    "GET /projects/{project_id}/stripe-account",
    "POST /projects/{project_id}/stripe-account",
    "PATCH /projects/{project_id}/stripe-account",
    "PATCH /portal/configuration",
    "DELETE /customers/{user_id}",
    "GET /metrics/project/{project_id}/subscriptions",
    "GET /metrics/project/{project_id}/revenue",
    "GET /metrics/subscriptions",
    "GET /metrics/revenue",
    "GET /metrics/projects",
    "POST /credits/{user_id}/grant",
    "POST /credits/{user_id}/grants/{credits}/revoke",
    "POST /admin/grant",
    "POST /admin/revoke",
    *(str(route) for route in ROUTES if route.scope in CLOSED_SCOPES),
}
"""Routes that are 403 for every app's key."""
OF_OTHERS = ("key_id", "app_id")
"""Words of a path that name what an app may have, too: another's is 404."""


@pytest.fixture
def app(project: Project) -> App:
    return AppFactory.create(project=project)


@pytest.fixture
def client(project: Project, app: App) -> ApiClient:
    """With a key of the app that was given every scope, as keys were before apps had bounds."""
    secret = key_of(project, app=app, scopes=["keys:read"])
    ApiKey.objects.for_project(project).filter(app=app).update(scopes=ALL_SCOPES)
    return ApiClient(secret)


def call(client: ApiClient, route: Route, words: Words) -> Any:
    return client.request(
        route.method,
        fill(route.path, words),
        fill(route.body, words),
        query=fill(route.query, words),
    )


def rows_outside_the_app(project: Project, app: App) -> Iterator[tuple[str, Any]]:
    """Everything of the project that is not the app's and not its customers', row by row."""
    with connection.cursor() as cursor:
        for table in sorted(OF_THE_PROJECT | {"projects_apikey"}):
            cursor.execute(
                f'SELECT to_jsonb(r) FROM "{table}" r WHERE project_id = %s',
                [project.pk],
            )
            rows = [json.loads(row) for (row,) in cursor.fetchall()]
            if table == "projects_apikey":
                rows = [{**row, "last_used_at": None} for row in rows if row["app_id"] != app.pk]
            yield table, sorted(rows, key=str)
        cursor.execute("SELECT to_jsonb(r) FROM projects_project r ORDER BY to_jsonb(r)::text")
        yield "projects_project", cursor.fetchall()
    yield "billing_stripeaccount", list(StripeAccount.objects.order_by("pk").values())


def test_every_table_belongs_to_the_project_or_to_its_customers() -> None:
    tables = {model._meta.db_table for model in tables_of(ProjectOwned)}
    assert set() == OF_THE_PROJECT & OF_ITS_CUSTOMERS
    assert tables - OF_THE_PROJECT - OF_ITS_CUSTOMERS == {"projects_apikey"}
    assert tables >= OF_THE_PROJECT | OF_ITS_CUSTOMERS


def test_an_app_key_changes_no_row_outside_its_app(
    own_words: Words,
    project: Project,
    app: App,
    client: ApiClient,
    stripe: SandboxStripe,
    subtests: pytest.Subtests,
) -> None:
    before = dict(rows_outside_the_app(project, app))
    for route in ROUTES:
        with subtests.test(str(route)), rolled_back(), stripe.unchanged():
            writes = count_writes()
            answer = call(client, route, own_words)
            if str(route) in CLOSED:
                assert answer.status_code == 403, answer.content
            elif any(f"{{{word}}}" in route.path for word in OF_OTHERS):
                assert answer.status_code == 404, answer.content
            else:
                assert answer.status_code == route.status, answer.content
            if count_writes() > writes:
                assert dict(rows_outside_the_app(project, app)) == before


def test_an_app_key_manages_the_keys_of_its_own_app(
    own_words: Words, project: Project, app: App, client: ApiClient, subtests: pytest.Subtests
) -> None:
    """The same addresses, with what is the app's own in them, let it through."""
    key_of(project, app=app, scopes=["keys:read"])
    own = ApiKey.objects.for_project(project).filter(app=app).latest("id")
    words = {**own_words, "app_id": app.pk, "key_id": own.pk}
    before = dict(rows_outside_the_app(project, app))
    for route in ROUTES:
        if str(route) in CLOSED or not any(f"{{{word}}}" in route.path for word in OF_OTHERS):
            continue
        with subtests.test(str(route)), rolled_back():
            assert call(client, route, words).status_code == route.status
            assert dict(rows_outside_the_app(project, app)) == before


def test_an_app_key_reads_nothing_of_other_apps(
    own_words: Words, project: Project, app: App, client: ApiClient, subtests: pytest.Subtests
) -> None:
    """Another app and its keys read like none at all, in lists too."""
    nobody = unknown_words()
    other_key = ApiKey.objects.for_project(project).exclude(app=app).latest("id").pk
    for route in ROUTES:
        if str(route) in CLOSED or not any(f"{{{word}}}" in route.path for word in OF_OTHERS):
            continue
        with subtests.test(str(route)), rolled_back():
            answers = [
                call(client, route, {**own_words, "key_id": key, "app_id": other}).json()
                for key, other in (
                    (other_key, own_words["app_id"]),
                    (nobody["key_id"], nobody["app_id"]),
                )
            ]
            for answer in answers:
                answer.pop("request_id", None)
            assert answers[0] == answers[1]
    base = f"/projects/{project.pk}"
    assert [row["id"] for row in client.get(f"{base}/apps").json()["data"]] == [app.pk]
    assert {row["app"] for row in client.get(f"{base}/keys").json()["data"]} == {app.pk}
