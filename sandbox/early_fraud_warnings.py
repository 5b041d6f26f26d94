"""Early fraud warnings: the card's issuer reports a charge as fraudulent."""

from __future__ import annotations

from sandbox.errors import invalid
from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "radar.early_fraud_warning"


def issue_warning(tx: Transaction, charge: Object, *, fraud_type: str = "misc") -> Object:
    """Create a warning for a charge. Raises 400 for a charge that took no money from a card."""
    if not charge["paid"] or charge["payment_method_details"]["type"] != "card":
        raise invalid(f"Charge {charge['id']} cannot be warned of.", param="charge")
    warning = tx.insert(
        {
            "id": tx.new_id("issfr"),
            "object": KIND,
            "actionable": not (charge["disputed"] or charge["refunded"]),
            "charge": charge["id"],
            "created": tx.now,
            "fraud_type": fraud_type,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    tx.emit(f"{KIND}.created", warning)
    return warning


def update_actionable(tx: Transaction, charge: Object) -> None:
    """Clear ``actionable`` of the warnings of a disputed or fully refunded charge."""
    if not (charge["disputed"] or charge["refunded"]):
        return
    for warning in tx.list_with(KIND, "charge", charge["id"]):
        if warning["actionable"]:
            with tx.updating(warning, f"{KIND}.updated"):
                warning["actionable"] = False
