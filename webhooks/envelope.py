"""Parse a signed body: its event id, its type and its object.

The rest of the payload is ignored, so its API version does not matter. A signature only proves who
wrote the bytes; they may still hold anything, so parsing never fails: an unusable body is returned
with the reason.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import orjson

from billing.models import StripeAccount
from webhooks import routing
from webhooks.routing import Target

MAX_EVENT_ID_LENGTH = 255
MAX_TYPE_LENGTH = 120
KEPT = ("id", "object", "type", "account", "context", "api_version", "created", "livemode")
"""Members that stay in an event of an erased customer, beside the ids of its object."""


THIN, LOST_USE = "v2.core.event", "v1.billing.meter.error_report_triggered"
MAX_SECONDS = 2**33
"""Since 1970: the year 2242."""
MAX_IDENTIFIER_LENGTH, MAX_CODE_LENGTH = 100, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LostUse:
    """Meter events that Stripe has accepted and does not count. ``lost`` maps the identifiers of
    some of them to error codes; ``errors`` is the number of all."""

    meter_stripe_id: str
    errors: int
    lost: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed event. ``target`` is None if no object is to be read; ``unusable`` is the reason why
    the event cannot be used, or empty."""

    event_id: str
    type: str = ""
    target: Target | None = None
    created_at: datetime | None = None
    """When Stripe created the event, if it says so."""
    customer: str = ""
    """Stripe's id of the customer that the object is about, if it names one."""
    unusable: str = ""
    report: LostUse | None = None
    is_report_missing: bool = False
    """Whether the event only announces a report of lost usage, which must be fetched."""


def open_envelope(body: bytes, *, account: StripeAccount) -> Envelope:
    """Read the signed bytes as an event of this account."""
    try:
        event = _parse(body)
    except (ValueError, RecursionError):
        return _unusable(body, "The body is not JSON.")
    if not isinstance(event, dict):
        return _unusable(body, "The body is not an object.")
    event_id, type_ = event.get("id"), event.get("type")
    if not _is_text(event_id, MAX_EVENT_ID_LENGTH) or not _is_text(type_, MAX_TYPE_LENGTH):
        return _unusable(body, "The event has no usable id and type.")
    if reason := belongs_elsewhere(event, account):
        return Envelope(event_id=event_id, type=type_, unusable=reason)
    if event.get("object") == THIN:
        return _open_thin(event, event_id, type_)
    subject = _subject(event)
    target, customer = routing.target(type_, subject), routing.customer(subject)
    return Envelope(
        event_id=event_id,
        type=type_,
        target=target,
        customer=customer,
        created_at=_time(event.get("created")),
    )


def remove_personal_data(body: bytes) -> bytes:
    """Remove personal data from an event. The rest can still be parsed and replayed."""
    try:
        event = _parse(body)
    except (ValueError, RecursionError):
        return b""
    if not isinstance(event, dict):
        return b""
    members = {name: event[name] for name in KEPT if isinstance(event.get(name), str | bool | int)}
    return orjson.dumps({**members, "data": {"object": routing.keep_ids(_subject(event))}})


def _open_thin(event: dict[str, Any], event_id: str, type_: str) -> Envelope:
    """Parse a thin event. Only reports of lost usage are used, complete ones and those that must be
    fetched; any other thin event is kept for operators."""
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
            unusable="Stripe lost usage: its report is fetched.",
        )
    report = _report(event)
    note = f"{len(report.lost)} named" if report.lost else "none is named: read it at Stripe"
    return Envelope(
        event_id=event_id,
        type=type_,
        report=report,
        unusable=f"Stripe lost usage: {report.errors} error(s), {note}.",
    )


def _report(event: dict[str, Any]) -> LostUse:
    """Parse the well-formed parts of a report."""
    reason = _member(_member(event, "data"), "reason")
    total = reason.get("error_count")
    lost = {}
    for kind in _listed(reason, "error_types"):
        code = str(kind.get("code") or "")[:MAX_CODE_LENGTH]
        for sample in _listed(kind, "sample_errors"):
            identifier = _member(sample, "request").get("identifier")
            if _is_text(identifier, MAX_IDENTIFIER_LENGTH):
                lost[identifier] = code
    meter = _member(event, "related_object").get("id")
    return LostUse(
        meter_stripe_id=meter if _is_text(meter, MAX_EVENT_ID_LENGTH) else "",
        errors=total if type(total) is int and 0 <= total < 2**53 else len(lost),
        lost=lost,
    )


def _member(value: dict[str, Any], name: str) -> dict[str, Any]:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


def _listed(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = value.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _parse(body: bytes) -> Any:
    """Parse with orjson, else with the standard library, which also accepts what orjson refuses,
    such as half a surrogate pair in metadata."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body.decode())


def belongs_elsewhere(event: dict[str, Any], account: StripeAccount) -> str:
    """The reason why the event belongs to another account; empty if it does not."""
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


def _time(seconds: object) -> datetime | None:
    """Stripe's timestamp; None for anything else."""
    if type(seconds) is not int or not 0 <= seconds < MAX_SECONDS:
        return None
    return datetime.fromtimestamp(seconds, tz=UTC)


def _is_text(value: object, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= longest


def _unusable(body: bytes, reason: str) -> Envelope:
    """An envelope for a body without an event id: the same bytes get the same id again."""
    return Envelope(event_id=f"sha256:{hashlib.sha256(body).hexdigest()}", unusable=reason)
