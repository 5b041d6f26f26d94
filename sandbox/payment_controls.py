"""Controls for buyers, banks and billing settings. Importing this module registers them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sandbox import bank, buyer
from sandbox.billing import billing_settings
from sandbox.control import Data, control, find_account, parse_flag

if TYPE_CHECKING:
    from sandbox.world import World


@control("POST", "/checkout/<object_id>/pay")
def pay(world: World, data: Data, object_id: str) -> Any:
    """``{"card": "4242…" | "pm_card_visa" | "pm_…", "email": …, "name": …}``: pay as on the page.

    Returns ``{"status": "complete" | "declined" | "requires_action", …}``. 3-D Secure succeeds
    unless ``"authenticates": false``; null leaves it open.
    """
    authenticates = data.get("authenticates", True)
    outcome = buyer.pay(
        world,
        object_id,
        card=data.get("card", "4242424242424242"),
        email=data.get("email") or buyer.EMAIL,
        name=data.get("name") or buyer.NAME,
        promotion_code=data.get("promotion_code"),
        address=dict(data["address"]) if data.get("address") else None,
        authenticates=None if authenticates is None else parse_flag(authenticates),
    )
    return dataclasses.asdict(outcome)


@control("POST", "/authentications/<object_id>")
def authenticate(world: World, data: Data, object_id: str) -> Any:
    """``{"succeeds": true}`` finishes the 3-D Secure authentication of an intent."""
    outcome = buyer.authenticate(world, object_id, succeeds=parse_flag(data.get("succeeds", True)))
    return dataclasses.asdict(outcome)


@control("POST", "/disputes/<object_id>")
def dispute(world: World, data: Data, object_id: str) -> Any:
    """``{"reason": "fraudulent", "amount": 500, "inquiry": true}`` for a ``pi_…`` or ``ch_…``."""
    return bank.open_dispute(
        world,
        object_id,
        reason=data.get("reason") or "fraudulent",
        amount=int(data["amount"]) if data.get("amount") else None,
        inquiry=parse_flag(data.get("inquiry", False)),
    )


@control("POST", "/fraud-warnings/<object_id>")
def warn(world: World, data: Data, object_id: str) -> Any:
    """``{"fraud_type": "made_with_stolen_card"}`` for a ``pi_…`` or ``ch_…``."""
    return bank.issue_fraud_warning(world, object_id, fraud_type=data.get("fraud_type") or "misc")


@control("POST", "/disputes/<object_id>/resolve")
def resolve_dispute(world: World, data: Data, object_id: str) -> Any:
    """``{"status": "won" | "lost" | "warning_closed" | "escalated"}``."""
    return bank.decide_dispute(world, object_id, data["status"])


@control("POST", "/refunds/<object_id>/fail")
def fail_refund(world: World, data: Data, object_id: str) -> Any:
    """Fail the refund, whatever its card."""
    return bank.fail_refund(world, object_id)


@control("GET", "/billing-settings")
def get_billing_settings(world: World, data: Data) -> Any:
    with world.transaction(find_account(world, data)) as tx:
        return billing_settings.read_settings(tx)


@control("POST", "/billing-settings")
def change_billing_settings(world: World, data: Data) -> Any:
    """``{"retry_after_days": [3, 5, 7], "after_retries": "cancel" | "mark_unpaid" | …,
    "overdue_days": 30, "after_overdue": …}``."""
    days = data.get("retry_after_days")
    with world.transaction(find_account(world, data)) as tx:
        return billing_settings.change_settings(
            tx,
            retry_after_days=None if days is None else [int(each) for each in days],
            after_retries=data.get("after_retries"),
            overdue_days=int(data["overdue_days"]) if data.get("overdue_days") else None,
            after_overdue=data.get("after_overdue"),
        )
