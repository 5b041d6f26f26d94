"""The customer portal: the first page, canceling and keeping, who is billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.billing import billing_cycle, proration, subscription_schedules, subscription_updates
from sandbox.limits import EMAIL
from sandbox.objects import Object, Params
from sandbox.pages import portal_overview
from sandbox.pages.portal_visit import Visit, visiting
from sandbox.pages.rendering import day
from sandbox.portal import plan_changes
from sandbox.resources import customers

if TYPE_CHECKING:
    from sandbox.world import World

NEWS = {
    "canceled": "Your plan is canceled.",
    "kept": "Your plan goes on.",
    "changed": "Your plan is updated.",
    "card": "Your card is saved.",
    "details": "Your details are saved.",
}
REASONS = {
    "customer_service": "Customer service was less than expected",
    "low_quality": "Quality was less than expected",
    "missing_features": "I need more features",
    "other": "Other reason",
    "switched_service": "I found an alternative",
    "too_complex": "Ease of use was less than expected",
    "too_expensive": "It’s too expensive",
    "unused": "I no longer need it",
}
DETAILS = {"email": "E-mail", "name": "Name", "phone": "Phone"}
"""What customers can change about themselves on the page."""


def home(world: World, request: Request, secret: str) -> Response:
    with visiting(world, secret) as visit:
        if visit.flow:
            return redirect(_flow_page(visit, visit.flow), 303)
        if closed := visit.closed():
            return closed
        tx, features = visit.tx, visit.configuration["features"]
        customer = visit.customer["id"]
        shows_invoices = features["invoice_history"]["enabled"]
        return visit.render(
            "portal.html",
            news=NEWS.get(request.args.get("done", ""), ""),
            plans=portal_overview.plans_of(tx, visit.configuration, customer),
            method=portal_overview.method_of(tx, visit.customer),
            can_change_card=features["payment_method_update"]["enabled"],
            customer=visit.customer,
            can_change_details=bool(_editable(visit)),
            shows_invoices=shows_invoices,
            invoices=portal_overview.invoices_of(tx, customer) if shows_invoices else [],
        )


def ask_to_cancel(world: World, request: Request, secret: str, id: str) -> Response:
    with visiting(world, secret) as visit:
        subscription = _cancelable(visit, id)
        feature = visit.feature("subscription_cancel")
        reasons = feature["cancellation_reason"]
        return visit.render(
            "portal_cancel.html",
            name=portal_overview.names(visit.tx, subscription),
            until=day(billing_cycle.last_period_end(subscription)),
            at_once=feature["mode"] == "immediately",
            reasons={key: REASONS[key] for key in reasons["options"]} if reasons["enabled"] else {},
        )


def cancel(world: World, request: Request, secret: str, id: str) -> Response:
    """At the period's end by ``cancel_at``, as flexible billing does; or at once."""
    with visiting(world, secret) as visit:
        subscription = _cancelable(visit, id)
        feature = visit.feature("subscription_cancel")
        details = {"comment": request.form.get("comment", "").strip()[:1000]}
        if request.form.get("feedback") in feature["cancellation_reason"]["options"]:
            details["feedback"] = request.form["feedback"]
        details = {name: value for name, value in details.items() if value}
        _let_schedule_go(visit, subscription)
        if feature["mode"] == "immediately":
            mode = feature["proration_behavior"]
            prorates = mode != "none" and proration.is_worth_it(subscription)
            params: Params = {"prorate": prorates, "invoice_now": mode == "always_invoice"}
            params |= {"cancellation_details": details}
            subscription_updates.cancel_now(visit.tx, subscription, params)
        else:
            is_flexible = subscription["billing_mode"]["type"] == "flexible"
            end: Params = (
                {"cancel_at": "max_period_end"} if is_flexible else {"cancel_at_period_end": True}
            )
            params = end | {"cancellation_details": details}
            subscription_updates.change(visit.tx, subscription, params)
        return visit.finish("canceled")


def keep(world: World, request: Request, secret: str, id: str) -> Response:
    """Take a planned end or a planned change back."""
    with visiting(world, secret) as visit:
        visit.check_flow("keep", id)
        subscription = visit.subscription(id)
        if subscription["cancel_at"]:
            visit.feature("subscription_cancel")
            _let_schedule_go(visit, subscription)
            if subscription["cancel_at_period_end"]:
                subscription_updates.change(visit.tx, subscription, {"cancel_at_period_end": False})
            elif subscription["cancel_at"]:
                subscription_updates.change(visit.tx, subscription, {"cancel_at": ""})
        else:
            visit.feature("subscription_update")
            _let_schedule_go(visit, subscription)
        return visit.finish("kept")


def edit_details(world: World, request: Request, secret: str) -> Response:
    with visiting(world, secret) as visit:
        visit.check_flow("details")
        return _details_page(visit, {name: visit.customer[name] or "" for name in DETAILS}, {})


def save_details(world: World, request: Request, secret: str) -> Response:
    with visiting(world, secret) as visit:
        visit.check_flow("details")
        sent = {name: request.form.get(name, "").strip()[:256] for name in _editable(visit)}
        if "email" in sent and not EMAIL.fullmatch(sent["email"]):
            return _details_page(visit, sent, {"email": "Enter your e-mail address."}, status=422)
        customers.update(visit.tx, sent, visit.customer["id"])
        return visit.finish("details")


def _details_page(
    visit: Visit, values: dict[str, str], wrong: dict[str, str], *, status: int = 200
) -> Response:
    if not (fields := _editable(visit)):
        raise NotFound
    return visit.render(
        "portal_details.html", status=status, fields=fields, values=values, wrong=wrong
    )


def _editable(visit: Visit) -> dict[str, str]:
    feature = visit.configuration["features"]["customer_update"]
    allowed = feature["allowed_updates"] if feature["enabled"] else []
    return {name: label for name, label in DETAILS.items() if name in allowed}


def _cancelable(visit: Visit, id: str) -> Object:
    visit.feature("subscription_cancel")
    visit.check_flow("cancel", id)
    subscription = visit.subscription(id)
    if subscription["cancel_at"] or subscription["status"] not in plan_changes.RUNNING:
        raise NotFound
    return subscription


def _let_schedule_go(visit: Visit, subscription: Object) -> None:
    if subscription["schedule"]:
        schedule = visit.tx.param_object(
            subscription_schedules.KIND, subscription["schedule"], param="schedule"
        )
        subscription_schedules.release(visit.tx, schedule, keeps_end=False)


def _flow_page(visit: Visit, flow: Object) -> str:
    type = flow["type"]
    if type == "payment_method_update":
        return f"{visit.home}/card"
    page = {
        "subscription_cancel": "cancel",
        "subscription_update": "plans",
        "subscription_update_confirm": "confirm",
    }[type]
    return f"{visit.home}/subscriptions/{flow[type]['subscription']}/{page}"
