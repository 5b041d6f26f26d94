"""The portal's plan pages: choose a plan, preview its cost, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.billing import billing_cycle, pending_updates, pricing
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.pages import payment_form, portal_overview
from sandbox.pages.portal_visit import PortalVisit, open_visit
from sandbox.pages.rendering import format_day
from sandbox.portal import plan_changes
from sandbox.portal.plan_changes import PlanChoice

if TYPE_CHECKING:
    from sandbox.world import World

PREVIEW_SECONDS = 15 * 60
"""Seconds for which previewed amounts are valid; a later confirmation shows new ones."""


def show(world: World, request: Request, secret: str, object_id: str) -> Response:
    with open_visit(world, secret) as visit:
        return _render_plans(visit, _find_changeable(visit, object_id, "plans"))


def confirm_page(world: World, request: Request, secret: str, object_id: str) -> Response:
    """The confirmation page with the exact amounts of the choice."""
    with open_visit(world, secret) as visit:
        wrong = ""
        if intent := _find_returned_intent(visit, request):
            if intent["status"] == "succeeded":
                return visit.finish("changed")
            pending_updates.drop_update(visit.tx, visit.subscription(object_id))
            wrong = payment_form.BUYER_MESSAGES["payment_intent_authentication_failure"]
        subscription = _find_changeable(visit, object_id, "confirm")
        try:
            choice = _read_choice(visit, subscription, request.args.to_dict())
        except StripeFailure as failure:
            return _render_plans(visit, subscription, failure.message, status=422)
        return _render_confirmation(visit, subscription, choice, visit.tx.now, wrong)


def confirm(world: World, request: Request, secret: str, object_id: str) -> Response:
    with open_visit(world, secret) as visit:
        subscription = _find_changeable(visit, object_id, "confirm")
        choice = _read_choice(visit, subscription, request.form.to_dict())
        shown_at = request.form.get("moment", "")
        now = visit.tx.now
        if not shown_at.isdecimal() or not now - PREVIEW_SECONDS <= int(shown_at) <= now:
            again = "These amounts are of now. Please confirm again."
            return _render_confirmation(visit, subscription, choice, now, again, status=409)
        try:
            intent = plan_changes.apply_change(
                visit.tx, visit.configuration, subscription, choice, int(shown_at)
            )
        except StripeFailure as failure:
            if failure.status != 402:
                raise
            return _render_confirmation(
                visit, subscription, choice, now, failure.message, status=402
            )
        if intent is None:
            return visit.finish("changed")
        return _redirect_to_bank(visit, subscription, choice, intent)


def _render_plans(
    visit: PortalVisit, subscription: Object, wrong: str = "", *, status: int = 200
) -> Response:
    allowed = visit.feature("subscription_update")["default_allowed_updates"]
    item = plan_changes.single_item(subscription)
    offered = [item["price"]]
    if "price" in allowed:
        offered = plan_changes.list_offered_prices(visit.tx, visit.configuration, item)
    return visit.render(
        "portal_plans.html",
        status=status,
        wrong=wrong,
        back=visit.session["return_url"] if visit.flow else visit.home,
        confirm=f"{visit.home}/subscriptions/{subscription['id']}/confirm",
        offers=[
            {
                "id": price["id"],
                "name": pricing.find_product_name(visit.tx, price),
                "price": pricing.format_price(price),
                "is_current": price["id"] == item["price"]["id"],
            }
            for price in offered
        ],
        quantity=item.get("quantity", 1),
        chooses_quantity="quantity" in allowed,
    )


def _redirect_to_bank(
    visit: PortalVisit, subscription: Object, choice: PlanChoice, intent: Object
) -> Response:
    """Redirect to the 3-D Secure page, which returns to the confirmation page."""
    query = urlencode({"price": choice.price["id"], "quantity": choice.quantity})
    page = f"{visit.home}/subscriptions/{subscription['id']}/confirm?{query}"
    target = intent["next_action"]["redirect_to_url"]
    target["return_url"] = f"{visit.tx.world.base_url}{page}"
    visit.record["intents"].append(intent["id"])
    return redirect(urlsplit(target["url"]).path, 303)


def _find_changeable(visit: PortalVisit, object_id: str, page: str) -> Object:
    visit.feature("subscription_update")
    visit.check_flow(page, object_id)
    subscription = visit.subscription(object_id)
    plan_changes.check_changeable(subscription)
    return subscription


def _read_choice(visit: PortalVisit, subscription: Object, fields: dict[str, str]) -> PlanChoice:
    """The choice from the page, or from the flow of the link."""
    item = plan_changes.single_item(subscription)
    if visit.flow and visit.flow["type"] == "subscription_update_confirm":
        (flow_item,) = visit.flow["subscription_update_confirm"]["items"]
        fields = {name: str(flow_item[name]) for name in ("price", "quantity") if flow_item[name]}
    quantity = fields.get("quantity", "")
    return plan_changes.check_choice(
        visit.tx,
        visit.configuration,
        subscription,
        fields.get("price") or item["price"]["id"],
        int(quantity) if quantity.isdecimal() else item.get("quantity", 1),
        "items[0]",
    )


def _render_confirmation(
    visit: PortalVisit, subscription: Object, choice: PlanChoice, shown_at: int, wrong: str,
    *, status: int = 200,
) -> Response:  # fmt: skip
    tx, configuration = visit.tx, visit.configuration
    item = plan_changes.single_item(subscription)
    invoice = plan_changes.preview_change(tx, configuration, subscription, choice, shown_at)
    later = plan_changes.is_deferred_to_renewal(tx, configuration, subscription, choice)
    asks_only = visit.flow and visit.flow["type"] == "subscription_update_confirm"
    plans_page = f"{visit.home}/subscriptions/{subscription['id']}/plans"
    return visit.render(
        "portal_confirm.html",
        status=status,
        back=visit.session["return_url"] if asks_only else plans_page,
        old=_plan_label(visit, item["price"], item.get("quantity")),
        new=_plan_label(visit, choice.price, choice.quantity),
        choice=choice,
        moment=shown_at,
        invoice=invoice,
        due_today=invoice["created"] == tx.now,
        billed_on=format_day(invoice["created"]),
        begins=format_day(billing_cycle.next_renewal(subscription)) if later else "today",
        wrong=wrong,
    )


def _plan_label(visit: PortalVisit, price: Object, quantity: int | None) -> Object:
    name = pricing.find_product_name(visit.tx, price)
    return {
        "name": f"{quantity} × {name}" if (quantity or 1) > 1 else name,
        "price": portal_overview.format_price(visit.tx, price, quantity),
    }


def _find_returned_intent(visit: PortalVisit, request: Request) -> Object | None:
    """The payment intent with which the visitor returns from 3-D Secure."""
    id = request.args.get("payment_intent", "")
    if id not in visit.record["intents"]:
        return None
    visit.record["intents"].remove(id)
    return visit.tx.param_object("payment_intent", id, param="payment_intent")
