"""What may be believed of a signed body: its id, its type, and which object it is about.

Nothing else of the payload is looked at, whatever API version it was written in. A signature
only proves who wrote the bytes; they may still be anything, so reading them never fails: what
cannot be used comes back with the reason.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from billing.models import StripeAccount
from webhooks import routing
from webhooks.routing import Target

LONGEST_EVENT_ID = 255
LONGEST_TYPE = 120
KEPT = ("id", "object", "type", "account", "context", "api_version", "created", "livemode")
"""What stays of an event about a customer who was erased, beside ids of its object."""


THIN, LOST_USE = "v2.core.event", "v1.billing.meter.error_report_triggered"
LONGEST_IDENTIFIER, LONGEST_CODE = 100, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LostUse:
    """Meter events that Stripe took and does not count: by identifier, why. Stripe names some of
    them only; ``errors`` is how many there are."""

    meter_stripe_id: str
    errors: int
    lost: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """``target`` is None for an event that asks for nothing; ``unusable`` says why, if it is."""

    event_id: str
    type: str = ""
    target: Target | None = None
    customer: str = ""
    """Stripe's id of the customer that the object is about, if it names one."""
    unusable: str = ""
    report: LostUse | None = None
    is_report_missing: bool = False
    """Whether it only says that there is a report of lost use, which is to be fetched."""


def open_envelope(body: bytes, *, account: StripeAccount) -> Envelope:
    """Read the signed bytes as an event of this account."""
    try:
        event = _parse(body)
    except (ValueError, RecursionError):
        return _unusable(body, "The body is not JSON.")
    if not isinstance(event, dict):
        return _unusable(body, "The body is not an object.")
    event_id, type_ = event.get("id"), event.get("type")
    if not _is_text(event_id, LONGEST_EVENT_ID) or not _is_text(type_, LONGEST_TYPE):
        return _unusable(body, "The event has no usable id and type.")
    if why := belongs_elsewhere(event, account):
        return Envelope(event_id=event_id, type=type_, unusable=why)
    if event.get("object") == THIN:
        return _open_thin(event, event_id, type_)
    subject = _subject(event)
    target, customer = routing.target(type_, subject), routing.customer(subject)
    return Envelope(event_id=event_id, type=type_, target=target, customer=customer)


def bare(body: bytes) -> bytes:
    """The event without what it says of anybody: enough to understand it again."""
    try:
        event = _parse(body)
    except (ValueError, RecursionError):
        return b""
    if not isinstance(event, dict):
        return b""
    kept = {name: event[name] for name in KEPT if isinstance(event.get(name), str | bool | int)}
    return orjson.dumps({**kept, "data": {"object": routing.bare(_subject(event))}})


def _open_thin(event: dict[str, Any], event_id: str, type_: str) -> Envelope:
    """Thin events are kept to be looked at: what they name is not read by their type. A report of
    lost use is understood, whether it came whole or is still to be fetched."""
    if type_ != LOST_USE:
        return Envelope(
            event_id=event_id,
            type=type_,
            unusable="A thin event. Have Stripe send snapshot events to this address.",
        )
    if not isinstance(_member(event, "data").get("reason"), dict):
        return Envelope(
            event_id=event_id,
            type=type_,
            is_report_missing=True,
            unusable="Stripe lost use: its report is fetched.",
        )
    report = _report(event)
    named = f"{len(report.lost)} named" if report.lost else "read it at Stripe: none is named"
    return Envelope(
        event_id=event_id,
        type=type_,
        report=report,
        unusable=f"Stripe lost use: {report.errors} error(s), {named}.",
    )


def _report(event: dict[str, Any]) -> LostUse:
    """Whatever of the report has the shape that it should have."""
    reason = _member(_member(event, "data"), "reason")
    total = reason.get("error_count")
    lost = {}
    for kind in _listed(reason, "error_types"):
        code = str(kind.get("code") or "")[:LONGEST_CODE]
        for sample in _listed(kind, "sample_errors"):
            identifier = _member(sample, "request").get("identifier")
            if _is_text(identifier, LONGEST_IDENTIFIER):
                lost[identifier] = code
    meter = _member(event, "related_object").get("id")
    return LostUse(
        meter_stripe_id=meter if _is_text(meter, LONGEST_EVENT_ID) else "",
        errors=total if type(total) is int and 0 <= total < 2**53 else len(lost),
        lost=lost,
    )


def _member(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _listed(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = value.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _parse(body: bytes) -> Any:
    """orjson first; the standard library also takes what PostgreSQL and orjson refuse, such as
    half a surrogate pair in somebody's metadata."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body.decode())


def belongs_elsewhere(event: dict[str, Any], account: StripeAccount) -> str:
    """Why the event is not about this account, or nothing."""
    if event.get("livemode", account.livemode) is not account.livemode:
        return f"The event's livemode is not {account.livemode}, as this endpoint's is."
    sender = event.get("account") or event.get("context")
    if sender and sender != account.stripe_id:
        return "The event is about another Stripe account."
    return ""


def _subject(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    return subject if isinstance(subject, dict) else {}


def _is_text(value: object, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= longest


def _unusable(body: bytes, why: str) -> Envelope:
    """The same bytes are the same event, if they come again."""
    return Envelope(event_id=f"sha256:{hashlib.sha256(body).hexdigest()}", unusable=why)
