"""The portal's card page: save a card as the customer's default payment method."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.checkout import completion
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.pages import payment_form
from sandbox.pages.offered_cards import OFFERED
from sandbox.pages.payment_form import PaymentForm
from sandbox.pages.portal_visit import PortalVisit, open_visit
from sandbox.resources import payment_methods, setup_intents

if TYPE_CHECKING:
    from sandbox.world import World


def show(world: World, request: Request, secret: str) -> Response:
    """The card form; after a return from 3-D Secure its result."""
    with open_visit(world, secret) as visit:
        _check_access(visit)
        intent_id = request.args.get("setup_intent", "")
        if intent_id not in visit.record["intents"]:
            return _render_form(visit, PaymentForm(name=visit.customer["name"] or ""), {})
        intent = visit.tx.param_object("setup_intent", intent_id, param="setup_intent")
        if intent["status"] == "succeeded":
            return _set_default_card(visit, intent)
        outcome = completion.result_of_intent(intent)
        wrong = (
            payment_form.payment_errors(outcome)
            if outcome.status == "declined" and outcome.code
            else {}
        )
        return _render_form(visit, PaymentForm(name=visit.customer["name"] or ""), wrong)


def submit(world: World, request: Request, secret: str) -> Response:
    with open_visit(world, secret) as visit:
        _check_access(visit)
        form = PaymentForm.read(request.form)
        if wrong := form.errors(request.form, knows_email=True, card=True):
            return _render_form(visit, form, wrong, status=422)
        try:
            intent = _create_setup_intent(visit, form, request)
        except StripeFailure as failure:
            if failure.status != 402:
                raise
            return _render_form(
                visit,
                form,
                payment_form.payment_errors(completion.declined_result(failure)),
                status=402,
            )
        if intent["status"] == "requires_action":
            url = intent["next_action"]["redirect_to_url"]["url"]
            return redirect(urlsplit(url).path, 303)
        return _set_default_card(visit, intent)


def _check_access(visit: PortalVisit) -> None:
    visit.feature("payment_method_update")
    visit.check_flow("card")


def _create_setup_intent(visit: PortalVisit, form: PaymentForm, request: Request) -> Object:
    """Create a setup intent for the entered card. Raises 402 with the bank's text."""
    tx = visit.tx
    method = payment_methods.create(tx, {"type": "card", "card": form.card(request.form)})
    method["billing_details"] |= {"name": form.name, "email": visit.customer["email"]}
    customer = visit.customer["id"]
    intent = setup_intents.create(tx, {"customer": customer, "usage": "off_session"})
    visit.record["intents"].append(intent["id"])
    back = f"{tx.world.base_url}{visit.home}/card"
    return setup_intents.confirm(
        tx, {"payment_method": method["id"], "return_url": back}, intent["id"]
    )


def _set_default_card(visit: PortalVisit, intent: Object) -> Response:
    """Make the card the customer's default.

    A subscription's own default method stays, because Stripe's portal changes the customer's
    ``invoice_settings``.
    """
    tx, method = visit.tx, intent["payment_method"]
    visit.record["intents"].remove(intent["id"])
    with tx.updating(visit.customer, "customer.updated"):
        visit.customer["invoice_settings"]["default_payment_method"] = method
    return visit.finish("card")


def _render_form(
    visit: PortalVisit, form: PaymentForm, wrong: dict[str, str], *, status: int = 200
) -> Response:
    return visit.render(
        "portal_card.html", status=status, form=form, wrong=wrong, offered_cards=OFFERED
    )
