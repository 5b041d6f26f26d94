"""Decisions as JSON, in responses, events, the cache and the audit trail."""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

import orjson

from common.bodies import Time, UserId
from common.times import rfc3339
from entitlements.models.fact import SourceType
from entitlements.resolution.decision import CustomerEntitlements, Decision
from entitlements.resolution.explanation import Explanation, ExplanationStepName
from entitlements.resolution.facts import DecisionFact, Reason
from entitlements.resolution.kinds import FeatureValue
from projects.models import Customer


class SourceBody(TypedDict):
    type: Annotated[str, SourceType]
    id: Annotated[str, "Id of the subscription, checkout or grant."]


class DecisionBody(TypedDict):
    """Whether a user may use a feature, and why."""

    feature: str
    allowed: bool
    reason: Annotated[str, Reason]
    value: FeatureValue
    limit: Annotated[
        int | None, "The number of a limit or metered feature, null for unlimited. Else null."
    ]
    used: int | None
    remaining: int | None
    resets_at: Annotated[
        Time | None,
        "When `used` starts again at 0. Null: never, or when the next period is paid.",
    ]
    valid_until: Annotated[
        Time | None,
        "Check again at this time. Until then only purchases, grants, refunds or usage change the "
        "decision.",
    ]
    version: Annotated[int, "Increases with every change of the customer or its entitlements."]
    sources: Annotated[list[SourceBody], "The subscriptions, purchases and grants that decided it."]


class TracedFactBody(TypedDict):
    source: SourceBody
    effect: Annotated[str, Literal["allow", "deny"]]
    value: FeatureValue
    reason: Annotated[str, Reason]
    starts_at: Time
    ends_at: Time | None


class StepBody(TypedDict):
    """One step of an explanation. The members of ``data`` depend on the step."""

    step: Annotated[str, ExplanationStepName]
    text: str
    facts: list[TracedFactBody]
    data: dict[str, Any]


class ExplanationBody(TypedDict):
    """How the decision follows from the facts."""

    sentence: Annotated[str, "The explanation in one sentence."]
    steps: list[StepBody]


class ExplainedBody(DecisionBody):
    """Whether a user may use a feature, and why."""

    explanation: NotRequired[Annotated[ExplanationBody, "Only with `explain`."]]


class EntitlementsBody(TypedDict):
    """The decisions about all features of one user."""

    user_id: UserId
    customer: Annotated[str | None, "Our id of the customer; null for an unknown user."]
    version: int
    entitlements: list[ExplainedBody]


class UserPermissionsBody(TypedDict):
    """All permissions that a user has from entitlements, for the service that signs users in."""

    user_id: UserId
    customer: Annotated[str, "Our id of the customer."]
    version: int
    permissions: Annotated[
        list[str], "The whole set, sorted: what is not in it is to be taken away."
    ]


def decision(result: Decision) -> DecisionBody:
    return {
        "feature": result.feature,
        "allowed": result.allowed,
        "reason": result.reason.value,
        "value": result.value,
        "limit": result.limit,
        "used": result.used,
        "remaining": result.remaining,
        "resets_at": rfc3339(result.resets_at),
        "valid_until": rfc3339(result.valid_until),
        "version": result.version,
        "sources": [{"type": source.type, "id": source.id} for source in result.sources],
    }


def unexplained(result: Decision) -> ExplainedBody:
    """The decision without an explanation, as an answer that may have one."""
    return cast(ExplainedBody, decision(result))  # as ``explanation`` may be absent


def encode_decision(result: Decision) -> bytes:
    """The decision as JSON bytes."""
    return orjson.dumps(decision(result))


def explanation(trace: Explanation) -> ExplanationBody:
    """The explanation of a decision: in one sentence, and step by step."""
    return {
        "sentence": trace.sentence,
        "steps": [
            {
                "step": each.name.value,
                "text": each.text,
                "facts": [_fact(fact) for fact in each.facts],
                "data": {name: _plain(value) for name, value in each.data.items()},
            }
            for each in trace.steps
        ],
    }


def explained(trace: Explanation) -> ExplainedBody:
    """The decision with its explanation."""
    return {**decision(trace.decision), "explanation": explanation(trace)}


def _fact(fact: DecisionFact) -> TracedFactBody:
    return {
        "source": {"type": fact.source.type, "id": fact.source.id},
        "effect": fact.effect,
        "value": fact.value,
        "reason": fact.reason.value,
        "starts_at": rfc3339(fact.starts_at),
        "ends_at": rfc3339(fact.ends_at),
    }


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def entitlements(customer_entitlements: CustomerEntitlements) -> EntitlementsBody:
    """All decisions about a user."""
    return {
        "user_id": customer_entitlements.user_id,
        "customer": customer_entitlements.customer_id,
        "version": customer_entitlements.version,
        "entitlements": [unexplained(each) for each in customer_entitlements.decisions.values()],
    }


def user_permissions(customer: Customer, permissions: list[str]) -> UserPermissionsBody:
    """All permissions of a customer."""
    return {
        "user_id": customer.user_id,
        "customer": customer.pk,
        "version": customer.version,
        "permissions": permissions,
    }
