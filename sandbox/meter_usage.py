"""Stored meter events and the usage that they add up to for a customer and a period.

An accepted event counts after a minute, unless its customer does not exist or it is canceled. Times
follow the customer's test clock.
"""

from __future__ import annotations

from decimal import Decimal

from sandbox import events
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object
from sandbox.transaction import Transaction

METER = "billing.meter"
EVENT = "_meter_event"
"""Record kind of a meter event. Its id is the identifier until that may be used again."""
REPORT = "v1.billing.meter.error_report_triggered"
REPORT_DELAY_SECONDS = 3600
"""Seconds until Stripe reports an event that does not count, together with others of its meter."""
MAX_SAMPLES = 5
"""Maximum number of events that a report lists per kind of error; its counts cover all."""
UNKNOWN_CUSTOMER = "meter_event_customer_not_found"
ERROR_MESSAGES = {UNKNOWN_CUSTOMER: "No customer was found for the meter event."}
AGGREGATION_DELAY_SECONDS = 60
"""Seconds until an event counts."""
IDENTIFIER_LIFETIME_SECONDS = 24 * 3600
"""Seconds for which an identifier is unique and its event can be canceled."""


def find_active_meter(tx: Transaction, event_name: str) -> Object | None:
    """The active meter for this event name."""
    return next(
        iter(
            tx.list_objects(
                METER,
                lambda meter: meter["event_name"] == event_name and meter["status"] == "active",
            )
        ),
        None,
    )


def store_event(tx: Transaction, event: Object) -> None:
    """Store the event. Raises 400 for an identifier that was used within 24 hours."""
    earlier = tx.get(EVENT, event["id"])
    if earlier:
        if tx.now - earlier["created"] < IDENTIFIER_LIFETIME_SECONDS:
            raise invalid(f"An event already exists with identifier {event['id']}.")
        tx.insert({**earlier, "id": tx.new_id("mtrevt")})
    tx.insert(event)


def cancel_event(tx: Transaction, meter: Object, identifier: str) -> None:
    """Cancel the event. Canceling it again changes nothing.

    Raises 400 for an identifier that is unknown or too old.
    """
    event = tx.get(EVENT, identifier)
    if event is None or event["meter"] != meter["id"]:
        raise invalid(
            f"No meter event found with identifier {identifier}.",
            param="cancel[identifier]",
            code="resource_missing",
        )
    if tx.now - event["created"] >= IDENTIFIER_LIFETIME_SECONDS:
        raise StripeFailure(
            f"The meter event with identifier {identifier} was received more than 24 hours ago and "
            "can no longer be canceled.",
            code="out_of_window",
            param="cancel[identifier]",
        )
    event["canceled"] = True


def sum_usage(tx: Transaction, meter: str, customer: str, start: int, end: int) -> Decimal:
    """Aggregated usage of the customer's events within ``[start, end)``."""
    stored_meter = tx.world.store.get((tx.account, METER, meter)) or tx.get(METER, meter)
    assert stored_meter, "meters are never deleted"
    events = [
        event
        for event in tx.iterate_stored(EVENT)
        if event["meter"] == meter
        and event["customer"] == customer
        and start <= event["timestamp"] < end
        and not event["canceled"]
        and not event["error"]
        and tx.now - event["created"] >= AGGREGATION_DELAY_SECONDS
    ]
    formula = stored_meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(events))
    if formula == "last":
        latest = max(events, key=lambda event: int(event["timestamp"]), default=None)
        return Decimal(latest["value"]) if latest else Decimal(0)
    return sum((Decimal(event["value"]) for event in events), Decimal(0))


def report_due_time(tx: Transaction, event: Object) -> int | None:
    """Time at which a failed event is due in an error report; None if it is not."""
    waits = event["error"] and not event["canceled"] and not event.get("reported")
    return int(event["created"]) + REPORT_DELAY_SECONDS if waits else None


def report_errors(tx: Transaction, event: Object) -> None:
    """Emit the thin event that reports all unreported failed events of the event's meter."""
    failed_events = tx.list_objects(
        EVENT,
        lambda each: each["meter"] == event["meter"] and report_due_time(tx, each) is not None,
    )
    by_code: dict[str, list[Object]] = {}
    for each in failed_events:
        each["reported"] = True
        by_code.setdefault(each["error"], []).append(each)
    meter = tx.param_object(METER, event["meter"], param="meter")
    kinds = [_error_summary(code, each) for code, each in by_code.items()]
    reason = {"error_count": len(failed_events), "error_types": kinds}
    summary = (
        f"There {'is' if len(failed_events) == 1 else 'are'} {len(failed_events)} invalid event(s)"
    )
    events.record_thin_event(
        tx, REPORT, meter, {"developer_message_summary": summary, "reason": reason}
    )


def _error_summary(code: str, failed_events: list[Object]) -> Object:
    samples = [
        {"error_message": ERROR_MESSAGES[code], "request": {"identifier": each["id"]}}
        for each in failed_events[:MAX_SAMPLES]
    ]
    return {"code": code, "error_count": len(failed_events), "sample_errors": samples}
