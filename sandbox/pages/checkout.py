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
from sandbox.checkout.completion import KIND, Outcome
from sandbox.errors import StripeFailure
from sandbox.objects import Object
from sandbox.pages import payment_form as forms
from sandbox.pages.checkout_summary import accounts_of, merchant_of, summarise
from sandbox.pages.offered_cards import OFFERED
from sandbox.pages.payment_form import Form
from sandbox.pages.rendering import render
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
"""Enough to see every rule of ``billing.taxes`` at work."""


def show(world: World, request: Request, id: str) -> Response:
    """The form, or word that the session is over."""
    with buyer.at(world, KIND, id) as tx:
        session = tx.path_object(KIND, id)
        if session["status"] != "open":
            return _closed(tx, session)
        record = session_records.of(tx, session)
        form = Form(email=record["email"] or "", name=record["name"] or "")
        if place := billing_address.known(tx, session):
            typed = {name: place[name] or "" for name in ("country", "state", "postal_code")}
            form = dataclasses.replace(form, **typed)
        return _page(tx, session, form, _refused_elsewhere(tx, session, request))


def submit(world: World, request: Request, id: str) -> Response:
    """Pay; on success back to the merchant, on a decline the form again with what went wrong."""
    with buyer.at(world, KIND, id) as tx:
        session = tx.path_object(KIND, id)
        if session["status"] != "open":
            return _closed(tx, session)
        form = Form.read(request.form)
        if (
            adjustable_quantities.choose(tx, session, request.form.to_dict())
            or "update" in request.form
        ):
            return _page(tx, session, form, {})
        refused = _promotion(tx, session, request)
        if refused is None:
            refused = _locate(tx, session, form, request)
        if refused is not None:
            return _page(tx, session, form, refused, status=422 if refused else 200)
        takes_card = completion.collects_card(session)
        only_debits = takes_card and "card" not in session["payment_method_types"]
        if "debit" in request.form or only_debits:
            return _debit(tx, session, form)
        knows_email = bool(_known_email(session))
        wrong = form.errors(request.form, knows_email=knows_email, card=takes_card)
        if wrong:
            return _page(tx, session, form, wrong, status=422)
        outcome = completion.complete(
            tx,
            session,
            card=form.card(request.form) if takes_card else None,
            buyer=form.buyer,
        )
        return answer(tx, session, outcome, form)


def _promotion(tx: Transaction, session: Object, request: Request) -> dict[str, str] | None:
    """Take a code that was typed, or back; None: neither was asked for."""
    if "remove_code" in request.form and session["allow_promotion_codes"]:
        session_discounts.leave_out(tx, session)
        return {}
    code = request.form.get("promotion_code", "").strip()
    if not code:
        return None
    try:
        session_discounts.enter(tx, session, code)
    except StripeFailure as failure:
        return {"promotion_code": failure.message}
    return {}


def _locate(
    tx: Transaction, session: Object, form: Form, request: Request
) -> dict[str, str] | None:
    """Take the address; None: go on, the total is still the one that the buyer saw."""
    if not billing_address.is_asked(tx, session):
        return None
    seen = session["amount_total"]
    try:
        if form.address:
            billing_address.enter(tx, session, form.address)
        billing_address.check_known(tx, session)
    except StripeFailure as failure:
        return {"address": failure.message}
    if "locate" in request.form:
        return {}
    if session["amount_total"] != seen:
        return {"address": "Taxes were worked out: look at the total, then pay."}
    return None


def _debit(tx: Transaction, session: Object, form: Form) -> Response:
    """Pay from one of the offered bank accounts; the bank answers days later."""
    tokens = [account.token for account in accounts_of(session)]
    wrong = form.debit_errors(tokens, knows_email=bool(_known_email(session)))
    if wrong:
        return _page(tx, session, form, wrong, status=422)
    outcome = completion.complete(tx, session, card=form.account, buyer=form.buyer)
    return answer(tx, session, outcome, form)


def answer(tx: Transaction, session: Object, outcome: Outcome, form: Form) -> Response:
    """Where the buyer goes after an attempt."""
    match outcome.status:
        case "complete":
            return leave(tx, session)
        case "requires_action":
            assert outcome.url, "who must act is told where"
            return redirect(urlsplit(outcome.url).path, 303)
    return _page(tx, session, form, forms.refused(outcome), status=402)


def leave(tx: Transaction, session: Object) -> Response:
    """Back to the merchant."""
    target = session["success_url"] or session.get("return_url")
    if not target:
        return _closed(tx, session)
    return redirect(target.replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)


def _page(
    tx: Transaction, session: Object, form: Form, wrong: dict[str, str], *, status: int = 200
) -> Response:
    return render(
        "checkout.html",
        status=status,
        session=session,
        summary=summarise(tx, session),
        form=form,
        wrong=wrong,
        email=_known_email(session),
        offered_cards=OFFERED,
        countries=COUNTRIES,
    )


def _closed(tx: Transaction, session: Object) -> Response:
    if session["status"] == "complete":
        title, text = "You’re all done here", "This order is complete. You can close this page."
        target = session["success_url"]
    else:
        title, text = "This page has expired", "Go back to the shop and start again."
        target = session["cancel_url"]
    return render(
        "message.html",
        title=title,
        text=text,
        link=target and target.replace("{CHECKOUT_SESSION_ID}", session["id"]),
        link_text=f"Return to {merchant_of(tx, session)}",
    )


def _known_email(session: Object) -> str:
    email: str = (session["customer_details"] or {}).get("email") or ""
    return email


def _refused_elsewhere(tx: Transaction, session: Object, request: Request) -> dict[str, str]:
    """The buyer comes back from a 3-D Secure page without success."""
    kind = (
        "setup_intent" if request.args.get("refused", "").startswith("seti_") else "payment_intent"
    )
    intent = tx.get(kind, request.args.get("refused", ""))
    if intent is None or completion.session_of(tx, intent) != session["id"]:
        return {}
    outcome = completion.outcome_of(intent)
    return forms.refused(outcome) if outcome.status == "declined" and outcome.code else {}
