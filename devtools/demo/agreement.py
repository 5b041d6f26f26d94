"""The end of the demo: Tollgate and Stripe agree on everything."""

from devtools.demo.narrator import Narrator, until
from devtools.stack import ProgramFailed, Stack

AGREED_WITHIN = 20.0
"""Seconds after the last purchase."""


def reconcile(stack: Stack, narrator: Narrator) -> None:
    """Reconcile until there is no difference. Raises what the narrator raises after
    ``AGREED_WITHIN``."""

    def dry_run() -> str | None:
        """What reconciliation prints; None while it finds what the worker has not read yet."""
        try:
            return stack.manage("reconcile", "--dry-run")
        except ProgramFailed:
            return None

    with narrator.step("reconcile lists everything at Stripe and finds nothing") as notes:
        output = until("agreement with Stripe", dry_run, seconds=AGREED_WITHIN)
        notes.append(output.strip().splitlines()[-1])
