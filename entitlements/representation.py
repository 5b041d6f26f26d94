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


def decision(made: Decision) -> DecisionBody:
    return {
        "feature": made.feature,
        "allowed": made.allowed,
        "reason": made.reason.value,
        "value": made.value,
        "limit": made.limit,
        "used": made.used,
        "remaining": made.remaining,
        "resets_at": rfc3339(made.resets_at),
        "valid_until": rfc3339(made.valid_until),
        "version": made.version,
        "sources": [{"type": source.type, "id": source.id} for source in made.sources],
    }


def unexplained(made: Decision) -> ExplainedBody:
    """The decision where it could be explained and is not."""
    return cast(ExplainedBody, decision(made))  # as ``explanation`` may be absent


def encoded(made: Decision) -> bytes:
    """The decision as JSON, ready to be sent."""
    return orjson.dumps(decision(made))


def explanation(of: Explanation) -> ExplanationBody:
    """The way to a decision: in one sentence, and step by step."""
    return {
        "sentence": of.sentence,
        "steps": [
            {
                "step": each.name.value,
                "text": each.text,
                "facts": [_fact(fact) for fact in each.facts],
                "data": {name: _plain(value) for name, value in each.data.items()},
            }
            for each in of.steps
        ],
    }


def explained(of: Explanation) -> ExplainedBody:
    """The decision, and the way to it."""
    return {**decision(of.decision), "explanation": explanation(of)}


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


def standing(of: CustomerEntitlements) -> EntitlementsBody:
    """Everything that a user may do."""
    return {
        "user_id": of.user_id,
        "customer": of.customer_id,
        "version": of.version,
        "entitlements": [unexplained(made) for made in of.decisions.values()],
    }
