"""Operators preview, plan and follow a change of a product for its holders."""

from collections.abc import Callable

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Price, Product, Rollout, StripeCustomer
from billing.rollouts import worker as rollouts_worker
from entitlements.models import Feature
from events.models import AuditEntry
from tests.billing.rollouts.holders import record_facts, subscribers
from tests.console.dialogs import send, was_done
from tests.console.test_refunds import fingerprint
from tests.shop import Shop


def address(product: Product, act: str) -> str:
    return reverse(f"admin:billing_product_{act}", args=[quote(product.pk)])


def features_of(product: Product) -> dict[str, object]:
    rows = product.features.select_related("feature")
    return {row.feature.code: row.value for row in rows}


@pytest.fixture
def held_product(monthly: Price) -> Product:
    """A product for single sign-on and five seats that three users hold."""
    record_facts(subscribers(monthly, 3))
    return monthly.product


def test_setting_features_previews_the_effect(held_product: Product, operator: Client) -> None:
    lines = "sso = on\nseats = 3\n"
    seen = send(operator, address(held_product, "set_features"), features=lines)
    assert "3 holders: 3 would have another answer." in seen.content.decode()
    assert features_of(held_product) == {"sso": True, "seats": 5}
    other = send(
        operator,
        address(held_product, "set_features"),
        features="sso = on\nseats = 2\n",
        previewed=fingerprint(seen),
    )
    assert (other.status_code, features_of(held_product)["seats"]) == (200, 5)
    done = send(
        operator, address(held_product, "set_features"), features=lines, previewed=fingerprint(seen)
    )
    assert was_done(done)
    assert features_of(held_product) == {"sso": True, "seats": 3}
    rollouts_worker.run_due(at=timezone.now())
    row = Rollout.objects.for_project(held_product.project_id).get()
    assert (row.status, row.changed, row.reason) == ("done", 3, "The customer asked.")
    page = operator.get(reverse("admin:billing_product_change", args=[quote(held_product.pk)]))
    assert row.pk in page.content.decode()
    recompute = reverse("admin:billing_rollout_recompute", args=[quote(row.pk)])
    assert was_done(send(operator, recompute))
    rollouts_worker.run_due(at=timezone.now())
    again = Rollout.objects.for_project(held_product.project_id).latest("pk")
    assert (again.status, again.looked_at, again.changed) == ("done", 3, 0)


def test_a_plan_is_shown_applied_and_followed(
    held_product: Product,
    monthly: Price,
    shop: Shop,
    alice: StripeCustomer,
    sso: Feature,
    operator: Client,
    viewer: Client,
    drain: Callable[[], None],
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    dearer = shop.price(held_product, amount=3900)
    assert viewer.get(address(held_product, "plan_change")).status_code == 403
    body = {"features": "sso = on\nseats = 9\n", "when": "renewal"}
    nothing = send(operator, address(held_product, "plan_change"), features="sso = on\nseats = 5\n")
    assert "Say what shall change." in nothing.content.decode()
    half = send(operator, address(held_product, "plan_change"), **body, from_price=monthly.pk)
    assert "Name both prices, or none." in half.content.decode()
    assert not Rollout.objects.for_project(held_product.project_id).exists()
    response = send(
        operator,
        address(held_product, "plan_change"),
        **body,
        from_price=monthly.pk,
        to_price=dearer.pk,
    )
    assert was_done(response)
    plan = Rollout.objects.for_project(held_product.project_id).get()
    page = response["HX-Redirect"]
    html = operator.get(page).content.decode()
    assert "4 holders: 4 would have another answer." in html
    assert ("116.00 USD" in html, "156.00 USD" in html, "40.00 USD" in html) == (True,) * 3
    assert (plan.status, features_of(held_product)["seats"]) == ("planned", 5)

    apply = reverse("admin:billing_rollout_apply_change", args=[quote(plan.pk)])
    assert send(viewer, apply).status_code == 403
    assert was_done(send(operator, apply))
    refused = send(operator, reverse("admin:billing_rollout_discard", args=[quote(plan.pk)]))
    assert "The rollout was already applied or discarded." in refused.content.decode()
    drain()
    plan.refresh_from_db()
    assert (plan.status, plan.looked_at, features_of(held_product)["seats"]) == ("done", 4, 9)
    html = operator.get(page).content.decode()
    assert ("4 of 4" in html, "1 of 4, 3 refused" in html) == (True, True)
    assert [(each.action, each.reason) for each in AuditEntry.objects.filter(subject=plan.pk)] == [
        ("rollout.apply", "The customer asked.")
    ]


def test_a_plan_is_discarded(held_product: Product, operator: Client) -> None:
    planned = send(operator, address(held_product, "plan_change"), features="sso = on")
    plan = Rollout.objects.for_project(held_product.project_id).get()
    discard = reverse("admin:billing_rollout_discard", args=[quote(plan.pk)])
    assert (was_done(planned), was_done(send(operator, discard))) == (True, True)
    plan.refresh_from_db()
    assert (plan.status, features_of(held_product)) == ("discarded", {"sso": True, "seats": 5})
