"""What a reconciliation does about each class of differences: defaults, and operators' choices."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from billing.models import DriftPolicy
from billing.models.drift_report import DriftClass, HealPolicy
from billing.operations.selectors import drift_policies
from common.errors import Invalid
from events.audit import audit_trail as audit

DEFAULTS: Mapping[DriftClass, HealPolicy] = {
    DriftClass.MISSING_HERE: HealPolicy.HEAL,
    DriftClass.MISSING_AT_STRIPE: HealPolicy.HEAL,
    DriftClass.NEVER_DELETED_GONE: HealPolicy.PARK,
    DriftClass.DELETED_AT_STRIPE: HealPolicy.HEAL,
    DriftClass.AMOUNT_DIFFERS: HealPolicy.HEAL,
    DriftClass.STALE: HealPolicy.HEAL,
    DriftClass.FOREIGN: HealPolicy.REPORT,
    DriftClass.SETTING_DIFFERS: HealPolicy.HEAL,
    DriftClass.USAGE_DIFFERS: HealPolicy.PARK,
    DriftClass.FACTS_DIFFER: HealPolicy.HEAL,
    DriftClass.LEDGER_DIFFERS: HealPolicy.PARK,
}
"""``missing_at_stripe`` is healed within the limits of ``billing.sync.missing_objects`` alone."""
NEVER_HEALED = frozenset(
    {
        DriftClass.NEVER_DELETED_GONE,
        DriftClass.FOREIGN,
        DriftClass.USAGE_DIFFERS,
        DriftClass.LEDGER_DIFFERS,
    }
)
"""Classes whose cause only a person can know."""


class NotHealable(Invalid):
    """The class of differences cannot be healed by rule."""

    code, title = "drift-not-healable", "Differences of this class are never healed by a rule."


def allowed(drift_class: DriftClass) -> list[HealPolicy]:
    """The policies that an operator may choose for the class."""
    return [
        policy
        for policy in HealPolicy
        if policy != HealPolicy.HEAL or drift_class not in NEVER_HEALED
    ]


def current() -> dict[DriftClass, HealPolicy]:
    """The policy of every class. One query. A policy that the class does not allow counts as its
    default."""
    chosen = drift_policies.chosen()
    policies = dict(DEFAULTS)
    for drift_class in DriftClass:
        policy = chosen.get(drift_class.value)
        if policy is not None and policy in allowed(drift_class):
            policies[drift_class] = HealPolicy(policy)
    return policies


def change(
    *, drift_class: DriftClass, policy: HealPolicy | None, actor: str, reason: str, at: datetime
) -> DriftPolicy:
    """Store the policy of a class; None restores the default. The next page follows it.

    Raises NotHealable.
    """
    if policy is not None and policy not in allowed(drift_class):
        raise NotHealable("Choose report or park.")
    with transaction.atomic():
        row = drift_policies.lock(drift_class.value)
        before = row.policy or DEFAULTS[drift_class]
        row.policy = "" if policy is None else policy.value
        row.changed_by, row.changed_at = actor[:120], at
        row.save()
        audit.record(
            actor=actor,
            action="drift_policy.change",
            subject=f"drift_policy:{row.pk}",
            reason=reason,
            before={"policy": before},
            after={"policy": row.policy or DEFAULTS[drift_class]},
            at=at,
        )
    return row
