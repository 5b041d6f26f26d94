"""The workflow that waits for a payment, kept in the metadata of the payment at Stripe.

Thus a payment that our database lost, for example after a restore, still knows its workflow.
"""

from collections.abc import Mapping

KEY = "tollgate_workflow_id"
MAX_LENGTH = 250
"""In characters. Temporal takes 1000 bytes, Stripe 500 characters."""


def is_valid(workflow_id: str) -> bool:
    """Whether it can name a workflow: printable, without spaces at its ends."""
    is_printable = workflow_id.isprintable() and workflow_id == workflow_id.strip()
    return 0 < len(workflow_id) <= MAX_LENGTH and is_printable


def write(workflow_id: str) -> dict[str, str]:
    """Metadata that names the workflow; empty without one."""
    return {KEY: workflow_id} if workflow_id else {}


def read(metadata: Mapping[str, str]) -> str:
    """The workflow in the metadata; empty without one, and for what cannot be one."""
    workflow_id = metadata.get(KEY) or ""
    return workflow_id if is_valid(workflow_id) else ""
