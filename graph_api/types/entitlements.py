"""Decisions about features."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
import strawberry

from common.api.serializers import StrictSerializer, UserIdField
from entitlements import representation
from entitlements.decisions import checks
from entitlements.decisions.selectors import decisions
from entitlements.representation import DecisionBody, EntitlementsBody
from entitlements.resolution.decision import CustomerEntitlements, Question
from graph_api.bodies import body_type
from graph_api.request import QueryInfo
from projects.models import Customer


@body_type(DecisionBody, name="Decision")
class DecisionNode:
    body: strawberry.Private[Mapping[str, Any]]


@body_type(EntitlementsBody, name="Entitlements", without=frozenset({"entitlements"}))
class EntitlementsNode:
    body: strawberry.Private[EntitlementsBody]

    @strawberry.field(description="One decision per feature.")  # type: ignore[untyped-decorator]
    def entitlements(self) -> list[DecisionNode]:
        return [
            DecisionNode(body=cast(Mapping[str, Any], each)) for each in self.body["entitlements"]
        ]


class UserSerializer(StrictSerializer):
    user_id = UserIdField()


def node(entitlements: CustomerEntitlements) -> EntitlementsNode:
    return EntitlementsNode(body=representation.entitlements(entitlements))


def check(info: QueryInfo, question: Question) -> DecisionNode:
    """The decision about one feature of one user, from the cache if it is there."""
    bodies = checks.decision_bodies(
        project=info.context.project, questions=[question], at=info.context.at
    )
    return DecisionNode(body=orjson.loads(bodies[question]))


def of_customers(info: QueryInfo, customers: Sequence[Customer]) -> dict[str, EntitlementsNode]:
    """The decisions about each customer, by the customer's id."""
    by_user = decisions.entitlements_of_many(
        project=info.context.project,
        user_ids=[customer.user_id for customer in customers],
        at=info.context.at,
    )
    return {customer.pk: node(by_user[customer.user_id]) for customer in customers}
