"""Routes of subscription schedules: changes that take effect later."""

from __future__ import annotations

from stripe.params import (
    SubscriptionScheduleCancelParams,
    SubscriptionScheduleCreateParams,
    SubscriptionScheduleListParams,
    SubscriptionScheduleReleaseParams,
    SubscriptionScheduleRetrieveParams,
    SubscriptionScheduleUpdateParams,
)

from sandbox.billing import subscription_schedules
from sandbox.billing.subscription_schedules import KIND
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, merge_metadata
from sandbox.pagination import is_in_range, list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

UNSUPPORTED = ("billing_mode", "customer_account", "pause_schedules")
OPEN_STATUSES = ("not_started", "active")
TIME_FIELDS = ("canceled_at", "completed_at", "released_at")


@routes.post("/v1/subscription_schedules", SubscriptionScheduleCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    """Create a schedule from a running subscription. An update sets its phases, as at Stripe."""
    refuse_unsupported(params, *UNSUPPORTED, "default_settings")
    if "from_subscription" not in params:
        if "customer" in params:
            raise invalid(
                "The sandbox schedules subscriptions that run already: pass `from_subscription`.",
                param="customer",
            )
        raise missing_param("from_subscription")
    for name in ("customer", "phases", "start_date", "end_behavior"):
        if name in params:
            raise invalid(f"You cannot set `{name}` if `from_subscription` is set.", param=name)
    id = params["from_subscription"]
    subscription = tx.param_object("subscription", id, param="from_subscription")
    schedule = subscription_schedules.create_from_subscription(tx, subscription)
    merge_metadata(schedule, params.get("metadata"))
    return schedule


@routes.get("/v1/subscription_schedules/<id>", SubscriptionScheduleRetrieveParams)
def retrieve(tx: Transaction, params: Params, schedule_id: str) -> Object:
    return tx.path_object(KIND, schedule_id)


@routes.post("/v1/subscription_schedules/<id>", SubscriptionScheduleUpdateParams)
def update(tx: Transaction, params: Params, schedule_id: str) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    if params.get("end_behavior") in ("none", "renew"):
        raise invalid(
            "The sandbox's schedules end with `release` or `cancel`.", param="end_behavior"
        )
    schedule = tx.path_object(KIND, schedule_id)
    _require_open(schedule, "update")
    with tx.updating(schedule, "subscription_schedule.updated"):
        merge_metadata(schedule, params.get("metadata"))
        subscription_schedules.update_default_settings(
            tx, schedule, params.get("default_settings", {})
        )
    if set(params) & {"phases", "end_behavior"}:
        subscription_schedules.update_schedule(tx, schedule, params)
    return schedule


@routes.post("/v1/subscription_schedules/<id>/release", SubscriptionScheduleReleaseParams)
def release(tx: Transaction, params: Params, schedule_id: str) -> Object:
    schedule = tx.path_object(KIND, schedule_id)
    _require_open(schedule, "release")
    subscription_schedules.release_schedule(
        tx, schedule, keeps_end=params.get("preserve_cancel_date", False)
    )
    return schedule


@routes.post("/v1/subscription_schedules/<id>/cancel", SubscriptionScheduleCancelParams)
def cancel(tx: Transaction, params: Params, schedule_id: str) -> Object:
    schedule = tx.path_object(KIND, schedule_id)
    _require_open(schedule, "cancel")
    subscription_schedules.cancel_schedule(tx, schedule, params)
    return schedule


@routes.get("/v1/subscription_schedules", SubscriptionScheduleListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(schedule: Object) -> bool:
        return (
            schedule["customer"] == params.get("customer", schedule["customer"])
            and not (params.get("scheduled") and schedule["status"] != "not_started")
            and all(
                is_in_range(schedule[name], params[name]) for name in TIME_FIELDS if name in params
            )
        )

    return list_page(tx, KIND, params, url="/v1/subscription_schedules", where=wanted)


def _require_open(schedule: Object, verb: str) -> None:
    if schedule["status"] not in OPEN_STATUSES:
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the "
            f"`{schedule['status']}` status. It must be in one of the following statuses: "
            "`not_started` or `active`."
        )
