"""The hosted checkout page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox import buyer
from sandbox.checkout import (
    adjustable_quantities,
    billing_address,
    completion,
    session_discounts,
    session_records,
)
from sandbox.checkout.completion import KIND, CheckoutResult
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.pages import payment_form
from sandbox.pages.checkout_summary import list_offered_accounts, merchant_name, summarise_session
from sandbox.pages.offered_cards import OFFERED
from sandbox.pages.payment_form import PaymentForm
from sandbox.pages.rendering import render_page
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

COUNTRIES = (
    ("AT", "Austria"),
    ("BR", "Brazil"),
    ("CA", "Canada"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("JP", "Japan"),
    ("CH", "Switzerland"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
)
"""Countries of the form; enough to try every rule of ``billing.taxes``."""


def show(world: World, request: Request, object_id: str) -> Response:
    """The payment form, or a message if the session is not open."""
    with buyer.object_transaction(world, KIND, object_id) as tx:
        session = tx.path_object(KIND, object_id)
        if session["status"] != "open":
            return _render_closed(tx, session)
        record = session_records.find_record(tx, session)
        form = PaymentForm(email=record["email"] or "", name=record["name"] or "")
        if known_address := billing_address.find_address(tx, session):
            typed = {
                name: known_address[name] or "" for name in ("country", "state", "postal_code")
            }
            form = dataclasses.replace(form, **typed)
        return _render_form(tx, session, form, _read_authentication_error(tx, session, request))


def submit(world: World, request: Request, object_id: str) -> Response:
    """Pay the session. Redirects to the merchant, or shows the form again with errors."""
    with buyer.object_transaction(world, KIND, object_id) as tx:
        session = tx.path_object(KIND, object_id)
        if session["status"] != "open":
            return _render_closed(tx, session)
        form = PaymentForm.read(request.form)
        if (
            adjustable_quantities.apply_quantities(tx, session, request.form.to_dict())
            or "update" in request.form
        ):
            return _render_form(tx, session, form, {})
        refused = _apply_promotion_code(tx, session, request)
        if refused is None:
            refused = _apply_address(tx, session, form, request)
        if refused is not None:
            return _render_form(tx, session, form, refused, status=422 if refused else 200)
        takes_card = completion.collects_card(session)
        only_debits = takes_card and "card" not in session["payment_method_types"]
        if "debit" in request.form or only_debits:
            return _pay_by_debit(tx, session, form)
        knows_email = bool(_known_email(session))
        wrong = form.errors(request.form, knows_email=knows_email, card=takes_card)
        if wrong:
            return _render_form(tx, session, form, wrong, status=422)
        outcome = completion.complete_session(
            tx,
            session,
            card=form.card(request.form) if takes_card else None,
            buyer=form.buyer,
        )
        return respond_to_result(tx, session, outcome, form)


def _apply_promotion_code(
    tx: Transaction, session: Object, request: Request
) -> dict[str, str] | None:
    """Apply or remove a promotion code. None if the form asks for neither."""
    if "remove_code" in request.form and session["allow_promotion_codes"]:
        session_discounts.remove_code(tx, session)
        return {}
    code = request.form.get("promotion_code", "").strip()
    if not code:
        return None
    try:
        session_discounts.apply_code(tx, session, code)
    except StripeFailure as failure:
        return {"promotion_code": failure.message}
    return {}


def _apply_address(
    tx: Transaction, session: Object, form: PaymentForm, request: Request
) -> dict[str, str] | None:
    """Apply the address. None if payment can continue with the total that the buyer has seen."""
    if not billing_address.is_collected(tx, session):
        return None
    seen = session["amount_total"]
    try:
        if form.address:
            billing_address.apply_address(tx, session, form.address)
        billing_address.check_present(tx, session)
    except StripeFailure as failure:
        return {"address": failure.message}
    if "locate" in request.form:
        return {}
    if session["amount_total"] != seen:
        return {"address": "Taxes were worked out: look at the total, then pay."}
    return None


def _pay_by_debit(tx: Transaction, session: Object, form: PaymentForm) -> Response:
    """Pay from one of the offered bank accounts; the bank answers days later."""
    tokens = [account.token for account in list_offered_accounts(session)]
    wrong = form.debit_errors(tokens, knows_email=bool(_known_email(session)))
    if wrong:
        return _render_form(tx, session, form, wrong, status=422)
    outcome = completion.complete_session(tx, session, card=form.account, buyer=form.buyer)
    return respond_to_result(tx, session, outcome, form)


def respond_to_result(
    tx: Transaction, session: Object, outcome: CheckoutResult, form: PaymentForm
) -> Response:
    """Redirect or re-render after a payment attempt."""
    match outcome.status:
        case "complete":
            return redirect_to_merchant(tx, session)
        case "requires_action":
            assert outcome.url, "requires_action comes with a URL"
            return redirect(urlsplit(outcome.url).path, 303)
    return _render_form(tx, session, form, payment_form.payment_errors(outcome), status=402)


def redirect_to_merchant(tx: Transaction, session: Object) -> Response:
    """Redirect to the merchant's ``success_url`` or ``return_url``."""
    target = session["success_url"] or session.get("return_url")
    if not target:
        return _render_closed(tx, session)
    return redirect(target.replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)


def _render_form(
    tx: Transaction, session: Object, form: PaymentForm, wrong: dict[str, str], *, status: int = 200
) -> Response:
    return render_page(
        "checkout.html",
        status=status,
        session=session,
        summary=summarise_session(tx, session),
        form=form,
        wrong=wrong,
        email=_known_email(session),
        offered_cards=OFFERED,
        countries=COUNTRIES,
    )


def _render_closed(tx: Transaction, session: Object) -> Response:
    if session["status"] == "complete":
        title, text = "You’re all done here", "This order is complete. You can close this page."
        target = session["success_url"]
    else:
        title, text = "This page has expired", "Go back to the shop and start again."
        target = session["cancel_url"]
    return render_page(
        "message.html",
        title=title,
        text=text,
        link=target and target.replace("{CHECKOUT_SESSION_ID}", session["id"]),
        link_text=f"Return to {merchant_name(tx, session)}",
    )


def _known_email(session: Object) -> str:
    email: str = (session["customer_details"] or {}).get("email") or ""
    return email


def _read_authentication_error(
    tx: Transaction, session: Object, request: Request
) -> dict[str, str]:
    """Errors to show when the buyer returns from a failed 3-D Secure page."""
    kind = (
        "setup_intent" if request.args.get("refused", "").startswith("seti_") else "payment_intent"
    )
    intent = tx.get(kind, request.args.get("refused", ""))
    if intent is None or completion.find_session_of(tx, intent) != session["id"]:
        return {}
    outcome = completion.result_of_intent(intent)
    return (
        payment_form.payment_errors(outcome)
        if outcome.status == "declined" and outcome.code
        else {}
    )
