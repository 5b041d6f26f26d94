"""Usage of meters, as totals and as records."""

from collections.abc import Sequence
from typing import Any

import strawberry

from graph_api.arguments import checked
from graph_api.bodies import body_type
from graph_api.connections import GraphConnection
from graph_api.request import QueryInfo
from projects.customers import selectors as customers_of_project
from projects.models import Customer
from usage.meters import representation
from usage.meters import selectors as meters
from usage.meters.representation import RecordBody, UsageBody
from usage.models import Record
from usage.periods import Unit
from usage.records import usage_of_users
from usage.records.api.records import RecordsQuerySerializer
from usage.records.api.usage import UsageQuerySerializer
from usage.records.selectors import records


@body_type(UsageBody, name="Usage")
class UsageNode:
    body: strawberry.Private[UsageBody]


@body_type(RecordBody, name="UsageRecord")
class UsageRecordNode:
    body: strawberry.Private[RecordBody]


UsageRecordConnection = GraphConnection[UsageRecordNode]


def read(info: QueryInfo, *, user_id: str, **arguments: Any) -> UsageNode:
    """One user's usage of one meter. Arguments as those of REST. Raises NotFound, Invalid."""
    values = _checked(user_id=user_id, **arguments)
    project = info.context.project
    meter = meters.get(project=project, code=values["meter"])
    unit = Unit(values["group_by"]) if "group_by" in values else None
    body = usage_of_users.read(
        project=project,
        user_id=values["user_id"],
        meter=meter,
        time_range=_time_range(info, values, unit),
        unit=unit,
    )
    return UsageNode(body=body)


def of_customers(
    info: QueryInfo, customers: Sequence[Customer], **arguments: Any
) -> dict[str, UsageNode]:
    """Each customer's usage of one meter, by the customer's id. Raises NotFound, Invalid."""
    values = _checked(user_id="any", **arguments)
    project = info.context.project
    bodies = usage_of_users.read_many(
        project=project,
        users=customers,
        meter=meters.get(project=project, code=values["meter"]),
        time_range=_time_range(info, values, None),
    )
    return {customer_id: UsageNode(body=body) for customer_id, body in bodies.items()}


def list_records(info: QueryInfo, *, since: Any, until: Any, **arguments: Any) -> Any:
    """The rows of a user's records of one meter. Raises NotFound, ValidationError."""
    values = checked(RecordsQuerySerializer, **arguments, **{"from": since, "to": until})
    project = info.context.project
    customer = customers_of_project.find(project=project, user_id=values["user_id"])
    return records.listing(
        project=project,
        customer_id=customer.pk if customer else customers_of_project.NO_CUSTOMER,
        meter_id=meters.get(project=project, code=values["meter"]).pk,
        since=values.get("from"),
        until=values.get("to"),
    )


def record_nodes(rows: Sequence[Record]) -> list[UsageRecordNode]:
    return [UsageRecordNode(body=representation.record(row)) for row in rows]


def _checked(*, since: Any = None, until: Any = None, **arguments: Any) -> dict[str, Any]:
    return checked(UsageQuerySerializer, **arguments, **{"from": since, "to": until})


def _time_range(info: QueryInfo, values: dict[str, Any], unit: Unit | None) -> tuple[Any, Any]:
    return usage_of_users.time_range(
        since=values.get("from"), until=values.get("to"), unit=unit, now=info.context.at
    )
