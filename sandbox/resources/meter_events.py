"""Routes of meter events and meter event adjustments."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from stripe.params.billing import MeterEventAdjustmentCreateParams, MeterEventCreateParams

from sandbox import meter_usage, test_clocks
from sandbox.errors import invalid, missing_param
from sandbox.limits import check_length
from sandbox.meter_usage import EVENT, UNKNOWN_CUSTOMER
from sandbox.objects import Object, Params
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

IDENTIFIER_LIMIT = 100
MAX_AGE_SECONDS = 35 * 86400
MAX_AHEAD_SECONDS = 5 * 60
MAX_DIGITS = 15


@routes.post("/v1/billing/meter_events", MeterEventCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    """Accept a meter event. An unknown customer is reported later by an error report."""
    payload = params["payload"]
    test_clocks.use_clock_time(tx, payload.values())
    meter = _find_meter(tx, params["event_name"])
    timestamp = _read_timestamp(tx, params)
    identifier = params.get("identifier") or tx.new_id("mtrevt")
    check_length("identifier", identifier, IDENTIFIER_LIMIT)
    customer = _read_field(payload, meter["customer_mapping"]["event_payload_key"])
    stored_customer = tx.get("customer", customer)
    meter_usage.store_event(
        tx,
        {
            "id": identifier,
            "object": EVENT,
            "canceled": False,
            "created": tx.now,
            "customer": customer,
            "error": None
            if stored_customer and not stored_customer.get("deleted")
            else UNKNOWN_CUSTOMER,
            "meter": meter["id"],
            "timestamp": timestamp,
            "value": _read_value(meter, payload),
        },
    )
    return {
        "object": "billing.meter_event",
        "created": tx.now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": timestamp,
    }


@routes.post("/v1/billing/meter_event_adjustments", MeterEventAdjustmentCreateParams)
def adjust(tx: Transaction, params: Params) -> Object:
    identifier = params.get("cancel", {}).get("identifier")
    if not identifier:
        raise missing_param("cancel[identifier]")
    if event := tx.get(EVENT, identifier):
        test_clocks.use_clock_time(tx, [event["customer"]])
    meter_usage.cancel_event(tx, _find_meter(tx, params["event_name"]), identifier)
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": params["event_name"],
        "livemode": False,
        "status": "pending",
        "type": "cancel",
    }


def _find_meter(tx: Transaction, event_name: str) -> Object:
    meter = meter_usage.find_active_meter(tx, event_name)
    if meter is None:
        raise invalid(
            f'No active meter found for event name "{event_name}".',
            param="event_name",
            code="resource_missing",
        )
    return meter


def _read_timestamp(tx: Transaction, params: Params) -> int:
    timestamp: int = params.get("timestamp", tx.now)
    if not tx.now - MAX_AGE_SECONDS <= timestamp <= tx.now + MAX_AHEAD_SECONDS:
        raise invalid(
            "The timestamp must be within the past 35 calendar days or up to 5 minutes in the "
            "future.",
            param="timestamp",
        )
    return timestamp


def _read_field(payload: Object, key: str) -> str:
    if not payload.get(key):
        raise missing_param(f"payload[{key}]")
    return str(payload[key])


def _read_value(meter: Object, payload: Object) -> str:
    """The sent value. Raises 400 if it is malformed; ``count`` meters need none."""
    key = meter["value_settings"]["event_payload_key"]
    if meter["default_aggregation"]["formula"] == "count" and key not in payload:
        return "1"
    written = _read_field(payload, key)
    try:
        value = Decimal(written)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise invalid(f"Invalid value for the meter event: {written}.", param=f"payload[{key}]")
    if len(value.as_tuple().digits) > MAX_DIGITS:
        raise invalid(
            f"The value of a meter event has at most {MAX_DIGITS} digits.", param=f"payload[{key}]"
        )
    return written
