"""Each role and each stranger reaches exactly its own pages and dialogs."""

import itertools
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from console import roles
from console.operators import Role
from tests.console.dialogs import send
from tests.console.pages import NAMES, PAGES
from tests.console.test_escaping import LIVE, PAYLOAD
from tests.console.world import World, build
from tests.transactions import rolled_back

pytestmark = pytest.mark.django_db

FOR_ADMINISTRATORS = {"projects_platformkey"}
"""Dialogs that operators may not open."""


def test_console_has_a_page_for_each_noun() -> None:
    assert NAMES == [
        "billing_cart",
        "billing_checkout",
        "billing_dispute",
        "billing_driftpolicy",
        "billing_driftreport",
        "billing_earlyfraudwarning",
        "billing_invoice",
        "billing_missingobject",
        "billing_payment",
        "billing_price",
        "billing_product",
        "billing_reconciliation",
        "billing_refund",
        "billing_rollout",
        "billing_stripeaccount",
        "billing_stripecustomer",
        "billing_stripeendpoint",
        "billing_stripeintent",
        "billing_stripemeter",
        "billing_subscription",
        "billing_syncobject",
        "common_backoff",
        "delivery_heldentry",
        "delivery_inboundrefusal",
        "delivery_inboundsettings",
        "delivery_mailsettings",
        "delivery_mailsuppression",
        "delivery_notification",
        "delivery_webhookdelivery",
        "delivery_webhookendpoint",
        "delivery_workflowsignal",
        "django_celery_beat_periodictask",
        "entitlements_creditgrant",
        "entitlements_fact",
        "entitlements_feature",
        "entitlements_freetierentry",
        "entitlements_grant",
        "entitlements_permissionmap",
        "entitlements_signingkey",
        "events_auditentry",
        "events_outboxevent",
        "projects_apikey",
        "projects_app",
        "projects_customer",
        "projects_platformkey",
        "projects_project",
        "usage_meter",
        "webhooks_inboundevent",
    ]


def test_each_role_reaches_its_pages_and_dialogs(
    signed_in: Callable[[Role], Client],
    client: Client,
    subtests: pytest.Subtests,
) -> None:
    """Administrators reach everything, and text of tenants and Stripe is escaped in all of it."""
    world = build(name=PAYLOAD[:80])
    visitors = {
        "administrator": (signed_in(Role.ADMINISTRATOR), 200, 200),
        "operator": (signed_in(Role.OPERATOR), 200, 200),
        "viewer": (signed_in(Role.VIEWER), 200, 403),
        "anyone": (client, 302, 302),
    }

    for noun, (who, (browser, seen, acts)) in itertools.product(PAGES, visitors.items()):
        with subtests.test(noun.name, who=who), rolled_back():
            closed = who == "operator" and noun.name in FOR_ADMINISTRATORS
            dialog = 403 if closed else acts
            row = noun.row_of(world)
            for address in (noun.listing, noun.of(row)):
                answer = browser.get(address)
                assert answer.status_code == seen, address
                assert not LIVE.search(answer.text), address
            for address in [*noun.list_dialogs(), *noun.row_dialogs(row)]:
                answer = browser.get(address)
                assert answer.status_code == dialog, address
                assert not LIVE.search(answer.text), address
                if dialog != 200:
                    assert send(browser, address).status_code == dialog, address


def test_no_row_is_added_edited_or_deleted_by_form(
    world: World, administrator: Client, subtests: pytest.Subtests
) -> None:
    for noun in PAGES:
        with subtests.test(noun.name), rolled_back():
            row = noun.row_of(world)
            assert administrator.get(noun.add).status_code == 403
            assert administrator.post(noun.add, {"name": "x"}).status_code == 403
            assert administrator.post(noun.of(row), {"name": "x"}).status_code == 403
            assert administrator.post(noun.of(row, "delete"), {"post": "yes"}).status_code == 403
            deletion = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
            administrator.post(noun.listing, deletion)
            assert administrator.get(noun.of(row)).status_code == 200


def test_history_is_the_audit_trail(
    world: World, administrator: Client, subtests: pytest.Subtests
) -> None:
    for noun in PAGES:
        with subtests.test(noun.name), rolled_back():
            answer = administrator.get(noun.of(noun.row_of(world), "history"))

            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("admin:events_auditentry_changelist"))


@pytest.mark.parametrize("path", ["", "auth/user/", "auth/group/", "auth/user/add/"])
@pytest.mark.parametrize(("who", "status"), [("operator", 403), ("administrator", 200)])
def test_staff_accounts_are_for_administrators(
    who: str, status: int, path: str, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(who)

    answer = client.get(f"/admin/{path}")

    assert answer.status_code == (200 if path == "" else status)


def test_strangers_meet_the_login_page(client: Client) -> None:
    answer = client.get("/admin/", follow=True)

    assert answer.redirect_chain == [("/admin/login/?next=/admin/", 302)]
    assert "Operators’ console" in answer.text


def test_the_sidebar_shows_only_pages_that_the_role_can_see(
    viewer: Client, administrator: Client
) -> None:
    staff = reverse("admin:auth_user_changelist")

    assert staff not in viewer.get("/admin/").text
    assert staff in administrator.get("/admin/").text


def test_roles_are_created_once_and_repaired(db: None) -> None:
    groups = roles.apply()
    groups[roles.VIEWERS].permissions.clear()

    again = roles.apply()

    assert Group.objects.count() == 2
    viewing = set(again[roles.VIEWERS].permissions.values_list("codename", flat=True))
    assert {right.partition("_")[0] for right in viewing} == {"view"}
    operating = {
        f"{each.content_type.app_label}.{each.codename}"
        for each in again[roles.OPERATORS].permissions.exclude(codename__startswith="view_")
    }
    assert operating == set(roles.OPERATOR_PERMISSIONS)


def test_the_dialog_of_a_missing_row_is_not_found(administrator: Client) -> None:
    nowhere = reverse("admin:billing_payment_read_again", args=["pay_nothing"])

    assert send(administrator, nowhere).status_code == 404
