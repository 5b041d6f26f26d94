"""A decision in answers, events, the cache and the audit trail."""

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


class SourceBody(TypedDict):
    type: Annotated[str, SourceType]
    id: Annotated[str, "Id of the subscription, checkout or grant."]


class DecisionBody(TypedDict):
    """One answer, why, and until when it is certain."""

    feature: str
    allowed: bool
    reason: Annotated[str, Reason]
    value: FeatureValue
    limit: Annotated[int | None, "Of a limit: its number, null for none. Null otherwise."]
    used: int | None
    remaining: int | None
    resets_at: Annotated[
        Time | None, "When the next period of a limit begins. Null: never, or as it is paid."
    ]
    valid_until: Annotated[Time | None, "When time alone may change this answer; ask again then."]
    version: Annotated[int, "Grows with every change of the customer."]
    sources: Annotated[list[SourceBody], "What the answer follows from."]


class TracedFactBody(TypedDict):
    source: SourceBody
    effect: Annotated[str, Literal["allow", "deny"]]
    value: FeatureValue
    reason: Annotated[str, Reason]
    starts_at: Time
    ends_at: Time | None


class StepBody(TypedDict):
    """One step; ``data`` is what it found, and depends on the step."""

    step: Annotated[str, ExplanationStepName]
    text: str
    facts: list[TracedFactBody]
    data: dict[str, Any]


class ExplanationBody(TypedDict):
    """The way from the facts to the answer."""

    sentence: Annotated[str, "All of it in one sentence."]
    steps: list[StepBody]


class ExplainedBody(DecisionBody):
    """One answer, why, and until when it is certain."""

    explanation: NotRequired[Annotated[ExplanationBody, "When asked for."]]


class EntitlementsBody(TypedDict):
    """Everything that one user may do."""

    user_id: UserId
    customer: Annotated[str | None, "Our id; null for a user who has never had anything."]
    version: int
    entitlements: list[ExplainedBody]


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
