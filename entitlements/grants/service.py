"""Grants: give a feature by hand, deny one, or end such a decision.

Each is a row with a reason, an audit entry, an event, and facts with the grant as their source, all
in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from common.errors import Invalid
from common.fair_queue import QueueRun, RetryRule
from entitlements.decisions.fact_drafts import FactDraft
from entitlements.errors import FeatureArchived, GrantExpired
from entitlements.facts import service as facts
from entitlements.grants import representation
from entitlements.grants import selectors as grants
from entitlements.models import Feature, Grant
from entitlements.models.fact import Effect, SourceType
from entitlements.models.grant import GrantStatus
from entitlements.resolution.facts import Reason
from entitlements.resolution.kinds import KINDS
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.customers import selectors as customers
from projects.models import Customer

log = structlog.get_logger(__name__)

RULE = RetryRule(queue="grant_expiry", attempts=20)

EXPIRY_ACTOR = "command"
"""Actor of an expiry in the audit trail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGrantRequest:
    """Features to give with these values, or to deny: a denial has no use for the values.

    From ``starts_at`` (None: now) until ``expires_at`` (None: revocation). ``product_id`` is the
    product that the features and values were copied from.
    """

    features: Sequence[tuple[Feature, Any]]
    reason: str
    effect: Effect = Effect.ALLOW
    product_id: str = ""
    starts_at: datetime | None = None
    expires_at: datetime | None = None


def grant(*, customer: Customer, request: FeatureGrantRequest, actor: str, at: datetime) -> Grant:
    """Give or deny the features to the customer.

    Raises Invalid for a missing reason, an impossible period or a value that the feature's kind
    does not allow; FeatureArchived for an archived feature, unless a product still has it.
    """
    features, effect, reason = request.features, request.effect, request.reason
    starts_at = request.starts_at or at
    if not features:
        raise Invalid("There is no feature to give or take.", field="product_id")
    _check_reason(reason)
    _check_period(starts_at, request.expires_at, at)
    if effect == Effect.ALLOW:
        _check_values(features, is_product=bool(request.product_id))
    with transaction.atomic():
        customer = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        grant_row = Grant.objects.for_project(customer.project_id).create(
            customer=customer,
            effect=effect,
            features=[_feature_entry(feature, value, effect) for feature, value in features],
            product_id=request.product_id,
            reason=reason,
            starts_at=starts_at,
            expires_at=request.expires_at,
            created_by=actor,
            created_at=at,
        )
        _replace_facts(grant_row, drafts=_build_drafts(grant_row, features), at=at)
        _record_event(grant_row, EventType.GRANT_CREATED, at=at)
        _audit(
            grant_row, "grant.create" if effect == Effect.ALLOW else "grant.deny", actor, reason, at
        )
    return grant_row


def revoke(*, grant: Grant, reason: str, actor: str, at: datetime) -> Grant:
    """End a grant or a denial now. A second call changes nothing.

    Raises Invalid without a reason, GrantExpired when it has already expired.
    """
    _check_reason(reason)
    with transaction.atomic():
        customer = customers.lock(project_id=grant.project_id, customer_id=grant.customer_id)
        grant = grants.lock(project_id=grant.project_id, grant_id=grant.pk)
        grant.customer = customer
        if grant.revoked_at is not None:
            return grant
        if grant.status(at) is GrantStatus.EXPIRED:
            raise GrantExpired
        previous = {"status": grant.status(at)}
        grant.revoked_at, grant.revoked_by, grant.revoked_reason = at, actor, reason
        grant.save(update_fields=["revoked_at", "revoked_by", "revoked_reason"])
        _replace_facts(grant, drafts=[], at=at)
        _record_event(grant, EventType.GRANT_REVOKED, at=at, previous=previous)
        _audit(grant, "grant.revoke", actor, reason, at)
    return grant


def expire_due(*, at: datetime, limit: int) -> int:
    """Record the expiry of grants that have ended. Returns how many."""
    run = QueueRun(RULE)
    due = grants.due_to_expire(at=at, limit=limit, rule=RULE)
    return sum(run.attempt(lambda row: _expire(row, at), each) for each in due)


def _expire(due: Grant, at: datetime) -> bool:
    with transaction.atomic():
        customer = customers.lock(project_id=due.project_id, customer_id=due.customer_id)
        grant = grants.lock(project_id=due.project_id, grant_id=due.pk)
        grant.customer = customer
        if grant.expired_at is not None or grant.revoked_at is not None:
            return False
        grant.expired_at = at
        grant.save(update_fields=["expired_at"])
        _replace_facts(grant, drafts=[], at=at)
        _record_event(
            grant, EventType.GRANT_EXPIRED, at=at, previous={"status": GrantStatus.ACTIVE}
        )
        _audit(grant, "grant.expire", EXPIRY_ACTOR, "", at)
    return True


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Send a reason: it is recorded in the audit trail.", field="reason")


def _check_period(starts_at: datetime, expires_at: datetime | None, at: datetime) -> None:
    if expires_at is not None and expires_at <= max(starts_at, at):
        raise Invalid("The expiry must lie in the future and after the start.", field="expires_at")


def _check_values(features: Sequence[tuple[Feature, Any]], *, is_product: bool) -> None:
    for feature, value in features:
        if feature.archived_at is not None and not is_product:
            raise FeatureArchived(f"{feature.code} is archived. Restore it first.")
        if not KINDS[feature.kind].accepts(value):
            raise Invalid(f"{feature.code}: {KINDS[feature.kind].rule}", field="value")


def _feature_entry(feature: Feature, value: Any, effect: Effect) -> dict[str, Any]:
    entry = {"feature": feature.code}
    return entry if effect == Effect.DENY else {**entry, "value": value}


def _build_drafts(grant: Grant, features: Sequence[tuple[Feature, Any]]) -> list[FactDraft]:
    is_denial = grant.effect == Effect.DENY
    return [
        FactDraft(
            feature_id=feature.pk,
            value=value,
            reason=Reason.REVOKED if is_denial else Reason.GRANTED,
            starts_at=grant.starts_at,
            ends_at=grant.expires_at,
            effect=Effect(grant.effect),
        )
        for feature, value in features
    ]


def _replace_facts(grant: Grant, *, drafts: Sequence[FactDraft], at: datetime) -> None:
    facts.replace(
        customer=grant.customer,
        source_type=SourceType.GRANT,
        source_id=grant.pk,
        drafts=drafts,
        at=at,
    )


def _record_event(
    grant: Grant, event_type: EventType, *, at: datetime, previous: dict[str, Any] | None = None
) -> None:
    outbox.record(
        project_id=grant.project_id,
        event_type=event_type,
        subject=grant.pk,
        data=representation.grant(grant, at=at),
        at=at,
        customer_id=grant.customer_id,
        version=grant.customer.version,
        previous=previous,
    )


def _audit(grant: Grant, action: str, actor: str, reason: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=grant.pk,
        project_id=grant.project_id,
        at=at,
        reason=reason,
        after=representation.grant(grant, at=at),
    )
