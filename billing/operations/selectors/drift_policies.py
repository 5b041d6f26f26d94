"""Operators' choices about classes of differences."""

from billing.models import DriftPolicy


def chosen() -> dict[str, str]:
    """Policy by class, where an operator has chosen one. One query."""
    return dict(DriftPolicy.objects.exclude(policy="").values_list("id", "policy"))


def lock(drift_class: str) -> DriftPolicy:
    """The row of this class, created if it is missing, locked until the transaction ends."""
    DriftPolicy.objects.bulk_create([DriftPolicy(id=drift_class)], ignore_conflicts=True)
    return DriftPolicy.objects.select_for_update(no_key=True).get(pk=drift_class)
