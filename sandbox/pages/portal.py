"""The customer portal: overview, cancellation and customer details."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.billing import billing_cycle, proration, subscription_schedules, subscription_updates
from sandbox.limits import EMAIL
from sandbox.objects import Object, Params
from sandbox.pages import portal_overview
from sandbox.pages.portal_visit import PortalVisit, open_visit
from sandbox.pages.rendering import format_day
from sandbox.portal import plan_changes
from sandbox.resources import customers

if TYPE_CHECKING:
    from sandbox.world import World

NOTICES = {
    "canceled": "Your plan is canceled.",
    "kept": "Your plan goes on.",
    "changed": "Your plan is updated.",
    "card": "Your card is saved.",
    "details": "Your details are saved.",
}
REASON_LABELS = {
    "customer_service": "Customer service was less than expected",
    "low_quality": "Quality was less than expected",
    "missing_features": "I need more features",
    "other": "Other reason",
    "switched_service": "I found an alternative",
    "too_complex": "Ease of use was less than expected",
    "too_expensive": "It’s too expensive",
    "unused": "I no longer need it",
}
DETAIL_LABELS = {"email": "E-mail", "name": "Name", "phone": "Phone"}
"""Details that customers can change on the page."""


def home(world: World, request: Request, secret: str) -> Response:
    with open_visit(world, secret) as visit:
        if visit.flow:
            return redirect(_flow_path(visit, visit.flow), 303)
        if closed := visit.closed():
            return closed
        tx, features = visit.tx, visit.configuration["features"]
        customer = visit.customer["id"]
        shows_invoices = features["invoice_history"]["enabled"]
        return visit.render(
            "portal.html",
            news=NOTICES.get(request.args.get("done", ""), ""),
            plans=portal_overview.list_plans(tx, visit.configuration, customer),
            method=portal_overview.find_method(tx, visit.customer),
            can_change_card=features["payment_method_update"]["enabled"],
            customer=visit.customer,
            can_change_details=bool(_editable_fields(visit)),
            shows_invoices=shows_invoices,
            invoices=portal_overview.list_invoices(tx, customer) if shows_invoices else [],
        )


def confirm_cancel(world: World, request: Request, secret: str, object_id: str) -> Response:
    with open_visit(world, secret) as visit:
        subscription = _find_cancelable(visit, object_id)
        feature = visit.feature("subscription_cancel")
        reasons = feature["cancellation_reason"]
        return visit.render(
            "portal_cancel.html",
            name=portal_overview.format_items(visit.tx, subscription),
            until=format_day(billing_cycle.last_period_end(subscription)),
            at_once=feature["mode"] == "immediately",
            reasons={key: REASON_LABELS[key] for key in reasons["options"]}
            if reasons["enabled"]
            else {},
        )


def cancel(world: World, request: Request, secret: str, object_id: str) -> Response:
    """Cancel at the period's end with ``cancel_at``, or at once, as the configuration says."""
    with open_visit(world, secret) as visit:
        subscription = _find_cancelable(visit, object_id)
        feature = visit.feature("subscription_cancel")
        details = {"comment": request.form.get("comment", "").strip()[:1000]}
        if request.form.get("feedback") in feature["cancellation_reason"]["options"]:
            details["feedback"] = request.form["feedback"]
        details = {name: value for name, value in details.items() if value}
        _release_schedule(visit, subscription)
        if feature["mode"] == "immediately":
            mode = feature["proration_behavior"]
            prorates = mode != "none" and proration.is_proratable(subscription)
            params: Params = {"prorate": prorates, "invoice_now": mode == "always_invoice"}
            params |= {"cancellation_details": details}
            subscription_updates.cancel_now(visit.tx, subscription, params)
        else:
            is_flexible = subscription["billing_mode"]["type"] == "flexible"
            end: Params = (
                {"cancel_at": "max_period_end"} if is_flexible else {"cancel_at_period_end": True}
            )
            params = end | {"cancellation_details": details}
            subscription_updates.update_subscription(visit.tx, subscription, params)
        return visit.finish("canceled")


def undo_change(world: World, request: Request, secret: str, object_id: str) -> Response:
    """Undo a scheduled cancellation or a scheduled plan change."""
    with open_visit(world, secret) as visit:
        visit.check_flow("keep", object_id)
        subscription = visit.subscription(object_id)
        if subscription["cancel_at"]:
            visit.feature("subscription_cancel")
            _release_schedule(visit, subscription)
            if subscription["cancel_at_period_end"]:
                subscription_updates.update_subscription(
                    visit.tx, subscription, {"cancel_at_period_end": False}
                )
            elif subscription["cancel_at"]:
                subscription_updates.update_subscription(visit.tx, subscription, {"cancel_at": ""})
        else:
            visit.feature("subscription_update")
            _release_schedule(visit, subscription)
        return visit.finish("kept")


def edit_details(world: World, request: Request, secret: str) -> Response:
    with open_visit(world, secret) as visit:
        visit.check_flow("details")
        return _render_details(
            visit, {name: visit.customer[name] or "" for name in DETAIL_LABELS}, {}
        )


def save_details(world: World, request: Request, secret: str) -> Response:
    with open_visit(world, secret) as visit:
        visit.check_flow("details")
        values = {
            name: request.form.get(name, "").strip()[:256] for name in _editable_fields(visit)
        }
        if "email" in values and not EMAIL.fullmatch(values["email"]):
            return _render_details(
                visit, values, {"email": "Enter your e-mail address."}, status=422
            )
        customers.update(visit.tx, values, visit.customer["id"])
        return visit.finish("details")


def _render_details(
    visit: PortalVisit, values: dict[str, str], wrong: dict[str, str], *, status: int = 200
) -> Response:
    if not (fields := _editable_fields(visit)):
        raise NotFound
    return visit.render(
        "portal_details.html", status=status, fields=fields, values=values, wrong=wrong
    )


def _editable_fields(visit: PortalVisit) -> dict[str, str]:
    feature = visit.configuration["features"]["customer_update"]
    allowed = feature["allowed_updates"] if feature["enabled"] else []
    return {name: label for name, label in DETAIL_LABELS.items() if name in allowed}


def _find_cancelable(visit: PortalVisit, object_id: str) -> Object:
    visit.feature("subscription_cancel")
    visit.check_flow("cancel", object_id)
    subscription = visit.subscription(object_id)
    if subscription["cancel_at"] or subscription["status"] not in plan_changes.RUNNING:
        raise NotFound
    return subscription


def _release_schedule(visit: PortalVisit, subscription: Object) -> None:
    if subscription["schedule"]:
        schedule = visit.tx.param_object(
            subscription_schedules.KIND, subscription["schedule"], param="schedule"
        )
        subscription_schedules.release_schedule(visit.tx, schedule, keeps_end=False)


def _flow_path(visit: PortalVisit, flow: Object) -> str:
    type = flow["type"]
    if type == "payment_method_update":
        return f"{visit.home}/card"
    page = {
        "subscription_cancel": "cancel",
        "subscription_update": "plans",
        "subscription_update_confirm": "confirm",
    }[type]
    return f"{visit.home}/subscriptions/{flow[type]['subscription']}/{page}"
