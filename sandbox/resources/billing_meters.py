"""Billing meters and their event summaries."""

from __future__ import annotations

from stripe.params.billing import (
    MeterCreateParams,
    MeterDeactivateParams,
    MeterEventSummaryListParams,
    MeterListParams,
    MeterReactivateParams,
    MeterRetrieveParams,
    MeterUpdateParams,
)

from sandbox import meter_usage
from sandbox.errors import invalid, refuse_unsupported
from sandbox.limits import check_length
from sandbox.meter_usage import METER
from sandbox.objects import Object, Params, assign
from sandbox.pagination import MAX_LIMIT, list_page
from sandbox.routing import Routes
from sandbox.test_clocks import use_clock_time
from sandbox.transaction import Transaction

routes = Routes()

NAME_LIMIT = 250
EVENT_NAME_LIMIT = 100
WINDOW_SECONDS = {"hour": 3600, "day": 86400}
MINUTE = 60
MAX_WINDOWS = 3000
"""Maximum number of windows per response; a sandbox limit against slow mistyped requests."""


@routes.post("/v1/billing/meters", MeterCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "event_time_window")
    check_length("display_name", params["display_name"], NAME_LIMIT)
    event_name = params["event_name"]
    check_length("event_name", event_name, EVENT_NAME_LIMIT)
    if meter_usage.find_active_meter(tx, event_name):
        raise _event_name_taken_error(event_name)
    meter = tx.insert(
        {
            "id": tx.new_id("mtr_test"),
            "object": METER,
            "created": tx.now,
            "customer_mapping": params.get(
                "customer_mapping", {"event_payload_key": "stripe_customer_id", "type": "by_id"}
            ),
            "default_aggregation": params["default_aggregation"],
            "display_name": params["display_name"],
            "event_name": event_name,
            "event_time_window": None,
            "livemode": False,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": tx.now,
            "value_settings": params.get("value_settings", {"event_payload_key": "value"}),
        }
    )
    tx.emit("billing.meter.created", meter)
    return meter


@routes.get("/v1/billing/meters/<id>", MeterRetrieveParams)
def retrieve(tx: Transaction, params: Params, meter_id: str) -> Object:
    return tx.path_object(METER, meter_id)


@routes.post("/v1/billing/meters/<id>", MeterUpdateParams)
def update(tx: Transaction, params: Params, meter_id: str) -> Object:
    meter = tx.path_object(METER, meter_id)
    check_length("display_name", params.get("display_name", ""), NAME_LIMIT)
    with tx.updating(meter, "billing.meter.updated"):
        assign(meter, params, "display_name")
        meter["updated"] = tx.now
    return meter


@routes.get("/v1/billing/meters", MeterListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(meter: Object) -> bool:
        return bool(meter["status"] == params.get("status", meter["status"]))

    return list_page(tx, METER, params, url="/v1/billing/meters", where=wanted)


@routes.post("/v1/billing/meters/<id>/deactivate", MeterDeactivateParams)
def deactivate(tx: Transaction, params: Params, meter_id: str) -> Object:
    """Deactivate the meter: it accepts no more events. Raises 400 if active prices use it."""
    meter = tx.path_object(METER, meter_id)
    if meter["status"] == "inactive":
        raise invalid(f"Meter {meter_id} is already inactive.")
    if tx.list_ids("price", lambda price: _is_priced_by(price, meter_id)):
        raise invalid(
            "This meter cannot be deactivated because it is attached to active prices. Archive "
            "them first."
        )
    with tx.updating(meter, "billing.meter.deactivated"):
        meter |= {"status": "inactive", "updated": tx.now}
        meter["status_transitions"] = {"deactivated_at": tx.now}
    return meter


@routes.post("/v1/billing/meters/<id>/reactivate", MeterReactivateParams)
def reactivate(tx: Transaction, params: Params, meter_id: str) -> Object:
    meter = tx.path_object(METER, meter_id)
    if meter["status"] == "active":
        raise invalid(f"Meter {meter_id} is already active.")
    if meter_usage.find_active_meter(tx, meter["event_name"]):
        raise _event_name_taken_error(meter["event_name"])
    with tx.updating(meter, "billing.meter.reactivated"):
        meter |= {"status": "active", "updated": tx.now}
        meter["status_transitions"] = {"deactivated_at": None}
    return meter


@routes.get("/v1/billing/meters/<id>/event_summaries", MeterEventSummaryListParams)
def list_summaries(tx: Transaction, params: Params, meter_id: str) -> Object:
    """One summary for the whole time, or one for each hour or day with usage."""
    use_clock_time(tx, [params["customer"]])
    meter = tx.path_object(METER, meter_id)
    tx.param_object("customer", params["customer"], param="customer")
    start, end = params["start_time"], params["end_time"]
    step = _window_seconds(params, start, end)
    summaries = []
    for since in range(start, end, step):
        until = min(since + step, end)
        amount = meter_usage.sum_usage(tx, meter_id, params["customer"], since, until)
        if amount or step == end - start:
            summaries.append(_build_summary(meter, since, until, float(amount)))
    summaries.reverse()
    return _list_page(summaries, params, url=f"/v1/billing/meters/{meter_id}/event_summaries")


def _window_seconds(params: Params, start: int, end: int) -> int:
    """Seconds per window. Raises 400 for times that are not aligned or out of order."""
    step = WINDOW_SECONDS.get(params.get("value_grouping_window", ""))
    for name in ("start_time", "end_time"):
        unit = step or MINUTE
        if params[name] % unit:
            aligned = {3600: "hour", 86400: "UTC day"}.get(unit, "minute")
            raise invalid(f"`{name}` must be aligned with {aligned} boundaries.", param=name)
    if start >= end:
        raise invalid("`start_time` must be before `end_time`.", param="start_time")
    if step and (end - start) // step > MAX_WINDOWS:
        raise invalid("The time range is too long for this grouping.", param="end_time")
    return step or end - start


def _build_summary(meter: Object, start: int, end: int, value: float) -> Object:
    return {
        "id": f"mtrusg_test_{meter['id'].removeprefix('mtr_test_')}_{start}",
        "object": "billing.meter_event_summary",
        "aggregated_value": int(value) if value.is_integer() else value,
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }


def _list_page(summaries: list[Object], params: Params, *, url: str) -> Object:
    """A page of the summaries, which are sorted newest first."""
    refuse_unsupported(params, "ending_before")
    limit = params.get("limit", 10)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(
            f"This value must be between 1 and {MAX_LIMIT}.",
            param="limit",
            code="parameter_invalid_integer",
        )
    ids = [each["id"] for each in summaries]
    after = params.get("starting_after")
    if after is not None and after not in ids:
        raise invalid(f"No such meter event summary: '{after}'", param="starting_after")
    rest = summaries[ids.index(after) + 1 :] if after else summaries
    return {"object": "list", "data": rest[:limit], "has_more": len(rest) > limit, "url": url}


def _is_priced_by(price: Object, meter: str) -> bool:
    recurring = price.get("recurring") or {}
    return bool(price.get("active")) and recurring.get("meter") == meter


def _event_name_taken_error(event_name: str) -> Exception:
    return invalid(
        f"An active meter with the event name `{event_name}` already exists.", param="event_name"
    )
