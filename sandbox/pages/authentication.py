"""The bank's 3-D Secure page, with one button to succeed and one to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox import buyer, money
from sandbox.checkout import completion
from sandbox.checkout.completion import KIND
from sandbox.objects import Object
from sandbox.pages import checkout
from sandbox.pages.rendering import render_page
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

ALREADY_ANSWERED = (
    "This payment needs nothing more",
    "It was answered before. You can close this page.",
)


def show(world: World, request: Request, object_id: str) -> Response:
    kind = _intent_kind(object_id)
    with buyer.object_transaction(world, kind, object_id) as tx:
        intent = tx.path_object(kind, object_id)
        if intent["status"] != "requires_action":
            return render_page("message.html", title=ALREADY_ANSWERED[0], text=ALREADY_ANSWERED[1])
        return render_page(
            "authentication.html",
            amount=_format_intent_amount(intent),
            card=_card_label(tx, intent),
        )


def submit(world: World, request: Request, object_id: str) -> Response:
    """Finish the authentication with ``answer=complete`` or ``answer=fail``, then redirect the
    payer."""
    kind = _intent_kind(object_id)
    with buyer.object_transaction(world, kind, object_id) as tx:
        intent = tx.path_object(kind, object_id)
        if intent["status"] != "requires_action":
            return render_page("message.html", title=ALREADY_ANSWERED[0], text=ALREADY_ANSWERED[1])
        return_url = intent["next_action"]["redirect_to_url"]["return_url"]
        succeeds = request.form.get("answer") == "complete"
        outcome = completion.finish_authentication(tx, intent, succeeds=succeeds)
        if session_id := completion.find_session_of(tx, intent):
            if outcome.status == "complete":
                return checkout.redirect_to_merchant(tx, tx.path_object(KIND, session_id))
            return redirect(f"/pages/checkout/{session_id}?refused={object_id}", 303)
    if return_url:
        return redirect(_add_result_params(return_url, intent), 303)
    return _result_page(outcome.status == "complete", outcome.message)


def _result_page(succeeded: bool, message: str | None) -> Response:
    if succeeded:
        text = "The payment went through. You can close this page."
        return render_page("message.html", title="Thank you", text=text)
    text = message or "The bank refused."
    return render_page("message.html", title="The payment did not go through", text=text)


def _intent_kind(object_id: str) -> str:
    return "setup_intent" if object_id.startswith("seti_") else "payment_intent"


def _format_intent_amount(intent: Object) -> str:
    if intent["object"] == "setup_intent":
        return ""
    return money.format_amount(intent["amount"], intent["currency"])


def _card_label(tx: Transaction, intent: Object) -> Object:
    method = tx.param_object("payment_method", intent["payment_method"], param="payment_method")
    card: Object = method["card"]
    return {"brand": card["brand"].title(), "last4": card["last4"]}


def _add_result_params(return_url: str, intent: Object) -> str:
    """Add Stripe's result parameters to ``return_url``."""
    noun = intent["object"]
    parts = urlsplit(return_url)
    added = {
        noun: intent["id"],
        f"{noun}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded"
        if intent["status"] != "requires_payment_method"
        else "failed",
    }
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))
