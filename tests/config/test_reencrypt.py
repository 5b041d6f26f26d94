"""``manage.py reencrypt`` replaces an older key of ``ENCRYPTION_KEYS`` everywhere."""

from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.accounts.selectors import stripe_accounts
from billing.models import StripeEndpoint
from common import crypto
from config.sealed_columns import COLUMNS
from delivery.models import WebhookEndpoint
from delivery.webhooks import secrets
from entitlements.models import SigningKey
from projects.models import Project
from tests.console.world_catalog import create_account

pytestmark = pytest.mark.django_db
OLD, NEW = {"old": bytes(32)}, {"new": bytes(range(32))}


def test_every_encrypted_column_is_listed() -> None:
    """A model that encrypts has a property with the context, which binds a value to its row."""
    declared = {
        (model, name)
        for model in apps.get_models()
        for name in dir(model)
        if name.endswith("context") and isinstance(getattr(model, name), property)
    }
    assert declared == {(column.model, column.context) for column in COLUMNS}


@pytest.fixture
def endpoint(project: Project, settings: Any) -> WebhookEndpoint:
    """Four values of the old key: of Stripe's account and endpoint, of webhooks, and headers."""
    settings.ENCRYPTION_KEYS = OLD
    account = create_account(project, "Acme")
    stripe_endpoint = StripeEndpoint(account=account, token="token")
    sealed = crypto.encrypt("whsec_of_stripe", context=stripe_endpoint.secret_context)
    stripe_endpoint.secrets = [sealed, sealed]
    stripe_endpoint.save()
    row = WebhookEndpoint(project=project, url="https://example.com/", position=0)
    row.seal_headers("{}")
    row.save()
    secrets.add(row, at=timezone.now())
    return row


def reencrypt(capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    call_command("reencrypt", **options)
    return capsys.readouterr().out.strip()


def test_afterwards_the_old_key_can_be_removed(
    endpoint: WebhookEndpoint, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = endpoint.secrets.get().open()
    settings.ENCRYPTION_KEYS = {**NEW, **OLD}
    assert reencrypt(capsys, dry_run=True) == "4 values would be encrypted with the first key."
    assert endpoint.secrets.get().sealed.startswith("old.")
    assert reencrypt(capsys) == "4 values encrypted with the first key."
    assert reencrypt(capsys) == "0 values encrypted with the first key."

    settings.ENCRYPTION_KEYS = NEW
    endpoint.refresh_from_db()
    assert endpoint.open_headers() == "{}"
    assert endpoint.secrets.get().open() == secret
    assert stripe_accounts.signing_secrets(StripeEndpoint.objects.get()) == ["whsec_of_stripe"] * 2
    assert not SigningKey.objects.exists()


def test_a_key_that_was_removed_too_early_is_named(
    endpoint: WebhookEndpoint, settings: Any
) -> None:
    settings.ENCRYPTION_KEYS = NEW
    with pytest.raises(CommandError, match=r"billing_stripeaccount\.secret_key: .*'old'"):
        call_command("reencrypt")
    endpoint.refresh_from_db()
    assert endpoint.sealed_headers.startswith("old.")
