"""The account of an API key: ``GET /v1/account``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.addresses import build_address
from sandbox.objects import Object, Params
from sandbox.routing import Routes

if TYPE_CHECKING:
    from sandbox.transaction import Transaction

routes = Routes()


@routes.get("/v1/account")
def retrieve(tx: Transaction, params: Params) -> Object:
    return tx.path_object("account", tx.account)


@routes.get("/v1/accounts/<id>")
def retrieve_by_id(tx: Transaction, params: Params, account_id: str) -> Object:
    return tx.path_object("account", account_id)


def build_account(account_id: str, *, created: int) -> Object:
    return {
        "id": account_id,
        "object": "account",
        "business_profile": _business_profile(),
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": created,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{account_id}/external_accounts",
        },
        "future_requirements": _no_requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _no_requirements(),
        "settings": _settings(),
        "tos_acceptance": {"date": created, "ip": None, "user_agent": None},
        "type": "standard",
    }


def _business_profile() -> Object:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": "Sandbox",
        "product_description": None,
        "support_address": build_address({}),
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": None,
    }


def _no_requirements() -> Object:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }


def _settings() -> Object:
    prefixes = ("statement_descriptor_prefix_kana", "statement_descriptor_prefix_kanji")
    descriptors = (
        "statement_descriptor",
        "statement_descriptor_kana",
        "statement_descriptor_kanji",
    )
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": dict.fromkeys(("icon", "logo", "primary_color", "secondary_color")),
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            **dict.fromkeys(("statement_descriptor_prefix", *prefixes)),
        },
        "dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": None},
        "payments": dict.fromkeys((*descriptors, *prefixes)),
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }
