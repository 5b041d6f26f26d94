"""Operators grant and deny access by hand after a preview of the effect."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from common.admin import columns
from entitlements.decisions.selectors import decisions
from entitlements.models import Grant
from entitlements.models.fact import Effect
from events.models import AuditEntry, OutboxEvent
from tests.console.dialogs import messages_of, send, was_done
from tests.console.world import World, build

pytestmark = pytest.mark.django_db

PREVIEWED = re.compile(r'name="previewed" value="([0-9a-f]{64})"')


def address(world: World, act: str) -> str:
    return f"/admin/projects/customer/{world.customer.pk}/{act}/"


def confirm_dialog(
    client: Client, world: World, act: str, **fields: Any
) -> tuple[HttpResponse, HttpResponse]:
    """Send the dialog, look at the preview, send it again; both answers."""
    preview = send(client, address(world, act), **fields)
    seen = PREVIEWED.search(preview.text)
    assert seen is not None, preview.text
    return preview, send(client, address(world, act), **fields, previewed=seen[1])


def grants_of(world: World) -> list[Grant]:
    return list(Grant.objects.for_project(world.project).order_by("-pk"))


def can_use(world: World, feature: str) -> tuple[Any, str]:
    decision = decisions.check(
        project=world.project,
        user_id=world.customer.user_id,
        feature=feature,
        at=timezone.now(),
    )
    return decision.value, decision.reason.value


def test_an_operator_grants_a_limit(world: World, operator: Client) -> None:
    preview, done = confirm_dialog(operator, world, "grant", what="feature:feature-1", value="25")

    assert "5 (granted)" in preview.text
    assert "25 (granted)" in preview.text
    assert "Grant access" in preview.text
    assert was_done(done)
    assert done["HX-Redirect"] == columns.url(world.customer)
    assert can_use(world, "feature-1") == (25, "granted")
    new_grant, _ = grants_of(world)
    assert messages_of(done) == [f"Done: {new_grant.pk}."]
    assert (new_grant.created_by, new_grant.reason) == ("operator:operator", "The customer asked.")
    entry = AuditEntry.objects.get(subject=new_grant.pk)
    assert (entry.action, entry.reason) == ("grant.create", "The customer asked.")


def test_the_lists_dialog_leads_to_the_customers_dialog(world: World, operator: Client) -> None:
    begin = "/admin/entitlements/grant/begin/"
    whose = {"project": world.project.pk, "user_id": world.customer.user_id}

    response = send(operator, begin, **whose)
    unknown = send(operator, begin, **{**whose, "user_id": "nobody"})

    assert f'hx-get="{address(world, "grant")}"' in response.text.replace("_5F", "_")
    assert "The project has no customer with this user_id." in unknown.text


def test_a_preview_changes_nothing(world: World, operator: Client) -> None:
    before = (AuditEntry.objects.count(), OutboxEvent.objects.across_projects().count())

    preview = send(operator, address(world, "grant"), what="feature:feature-1", value="25")

    assert PREVIEWED.search(preview.text)
    assert can_use(world, "feature-1") == (5, "granted")
    assert len(grants_of(world)) == 1
    assert (AuditEntry.objects.count(), OutboxEvent.objects.across_projects().count()) == before


def test_other_values_than_previewed_are_previewed_again(world: World, operator: Client) -> None:
    preview = send(operator, address(world, "grant"), what="feature:feature-1", value="25")
    seen = PREVIEWED.search(preview.text)
    assert seen is not None

    answer = send(
        operator, address(world, "grant"), what="feature:feature-1", value="2500", previewed=seen[1]
    )

    assert "2,500 (granted)" in answer.text
    assert len(grants_of(world)) == 1


def test_a_form_sent_twice_grants_once(world: World, operator: Client) -> None:
    body = {"what": "feature:feature-1", "value": "25"}
    preview = send(operator, address(world, "grant"), **body)
    seen = PREVIEWED.search(preview.text)
    assert seen is not None

    answers = [send(operator, address(world, "grant"), **body, previewed=seen[1]) for _ in range(2)]

    assert [was_done(each) for each in answers] == [True, False]
    assert len(grants_of(world)) == 2


def test_an_operator_grants_a_product_until_a_day(world: World, operator: Client) -> None:
    _, done = confirm_dialog(
        operator,
        world,
        "grant",
        what=f"product:{world.product.pk}",
        expires_at="2099-01-01T12:00",
    )

    assert was_done(done)
    new_grant = grants_of(world)[0]
    assert new_grant.product_id == world.product.pk
    assert new_grant.features == [
        {"feature": "feature-0", "value": True},
        {"feature": "feature-1", "value": 3},
    ]
    assert new_grant.expires_at is not None
    assert new_grant.expires_at.isoformat() == "2099-01-01T12:00:00+00:00"


def test_an_operator_denies_access_and_revokes_the_denial(world: World, operator: Client) -> None:
    assert can_use(world, "feature-0") == (True, "entitled")

    preview, done = confirm_dialog(operator, world, "deny", what="feature:feature-0")

    assert "on (entitled)" in preview.text
    assert "off (revoked)" in preview.text
    assert was_done(done)
    assert can_use(world, "feature-0") == (False, "revoked")
    denial = grants_of(world)[0]
    assert denial.effect == Effect.DENY

    dialog = operator.get(f"/admin/entitlements/grant/{denial.pk}/revoke/")
    assert "on (entitled)" in dialog.text
    ended = send(operator, f"/admin/entitlements/grant/{denial.pk}/revoke/")

    assert was_done(ended)
    assert can_use(world, "feature-0") == (True, "entitled")
    denial.refresh_from_db()
    assert (denial.revoked_by, denial.revoked_reason) == (
        "operator:operator",
        "The customer asked.",
    )
    actions = AuditEntry.objects.filter(subject=denial.pk).order_by("pk")
    assert [each.action for each in actions] == ["grant.deny", "grant.revoke"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "This field is required."),
        ({"what": "feature:nothing"}, "Select a valid choice."),
        ({"what": "feature:feature-1"}, "Type a whole number, or: unlimited."),
        ({"what": "feature:feature-1", "value": "-1"}, "Type a whole number, or: unlimited."),
        ({"what": "feature:feature-1", "value": "٣"}, "Type a whole number, or: unlimited."),
        ({"what": "feature:feature-1", "value": "9" * 20}, "Type a whole number, or: unlimited."),
        ({"what": "feature:feature-0", "value": "3"}, "This feature is on or off"),
        ({"what": "feature:feature-0", "expires_at": "soon"}, "Enter a valid date/time."),
    ],
)
def test_invalid_grants_are_refused(
    fields: dict[str, str], complaint: str, world: World, operator: Client
) -> None:
    answer = send(operator, address(world, "grant"), **fields)

    assert complaint in answer.text
    assert not PREVIEWED.search(answer.text)


def test_refusal_of_the_service_is_shown(world: World, operator: Client) -> None:
    _, answer = confirm_dialog(
        operator, world, "grant", what="feature:feature-0", expires_at="2020-01-01T00:00"
    )

    assert "The expiry must lie in the future and after the start." in answer.text
    assert len(grants_of(world)) == 1


def test_features_of_another_project_are_not_offered(world: World, operator: Client) -> None:
    neighbour = build(size=3, name="Neighbour")

    dialog = operator.get(address(world, "grant"))
    answer = send(operator, address(world, "grant"), what=f"product:{neighbour.product.pk}")

    assert neighbour.product.pk not in dialog.text
    assert "feature-2" not in dialog.text
    assert "Select a valid choice." in answer.text
