"""Names of what a reconciliation can compare, for the API and the console."""

from billing.models.sync_object import ObjectKind
from billing.operations import law_checks
from billing.operations.setup_reconciliation import SETUPS
from billing.sync import kinds

USAGE = "usage"
"""The step that compares Stripe's counts for metered prices."""

STEPS: dict[str, str] = {
    name.replace(" ", "_"): name for name in (*ObjectKind.values, *SETUPS, USAGE, *law_checks.LAWS)
}
"""Step by name: ``portal_configuration`` is the step "portal configuration"."""
NAMES = list(STEPS)


def stripe_steps() -> list[str]:
    """Steps of each account in order: owners before their objects, meters before usage."""
    return [*kinds.KINDS, *SETUPS, USAGE]


def name_of(step: str) -> str:
    """The name of a step: ``usage totals`` becomes ``usage_totals``."""
    return step.replace(" ", "_")
