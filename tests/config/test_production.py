"""Production refuses to start without a required setting and names it."""

import base64
import importlib
import subprocess
import sys
from types import ModuleType

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.services import ROOT

COMPLETE = {
    "DATABASE_URL": "postgres://tollgate:secret@db.example.com/tollgate",
    "REDIS_URL": "redis://redis.example.com:6379/0",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMN",
    "ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
    "STRIPE_SECRET_KEY": "sk_live_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1,whsec_2",
    "PUBLIC_URL": "https://billing.example.com/",
    "ALLOWED_HOSTS": "billing.example.com",
    "TRUSTED_PROXIES": "10.0.0.0/8",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch):
    """Load production's settings anew, from a complete environment with the given changes."""

    def load(**changes: str | None) -> ModuleType:
        monkeypatch.delenv("STRIPE_API_BASE", raising=False)
        for name, value in {**COMPLETE, **changes}.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        for name in [name for name in sys.modules if name.startswith("config.settings")]:
            monkeypatch.delitem(sys.modules, name)
        return importlib.import_module("config.settings.production")

    return load


def test_complete_environment_is_accepted(production) -> None:
    settings = production()
    assert settings.DATABASES["default"]["HOST"] == "db.example.com"
    assert settings.ALLOWED_HOSTS == ["billing.example.com"]
    assert settings.PUBLIC_URL == "https://billing.example.com"
    assert settings.BILLING.stripe_webhook_secrets == ("whsec_1", "whsec_2")


@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize("name", COMPLETE)
def test_missing_variable_stops_the_boot_and_is_named(production, name: str, value) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        production(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENCRYPTION_KEYS", "k1:dG9vIHNob3J0"),
        ("ENCRYPTION_KEYS", "k1:not base64"),
        ("STRIPE_SECRET_KEY", "pk_live_1"),
        ("STRIPE_WEBHOOK_SECRETS", "whsec_1,secret"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_live_1"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_12345"),
        ("STRIPE_API_BASE", "http://api.stripe.com"),
        ("STRIPE_ENDPOINT_READS", "0"),
        ("SYNC_READERS", "0"),
        ("SYNC_READERS", "7"),
        ("EGRESS_LOOPBACK", "true"),
        ("SECRET_KEY", "x"),
        ("SECRET_KEY", "s" * 50),
        ("SECRET_KEY", "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "billing.example.com,*"),
        ("ALLOWED_HOSTS", "https://billing.example.com"),
        ("PUBLIC_URL", "http://billing.example.com"),
        ("PUBLIC_URL", "billing.example.com"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://[billing"),
        ("PUBLIC_URL", "https://billing.example.com:port"),
        ("PUBLIC_URL", "https://user@billing.example.com"),
        ("PUBLIC_URL", "https://billing.example.com/tollgate"),
        ("PUBLIC_URL", "https://another.example.com"),
        ("PUBLIC_URL", "http://localhost:8000"),
        ("DEFAULT_CURRENCY", "doubloons"),
        ("DEFAULT_CURRENCY", "xxx"),
        ("LOG_LEVEL", "LOUD"),
        ("WORKER_LANES", "relay,stripe"),
        ("REDIS_URL", "redis.example.com"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "10.0.0.1, ::/0"),
        ("FORWARDED_HEADER", "X-Real-IP"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.1"),
        ("OTEL_TRACES_SAMPLER_ARG", "all"),
    ],
)
def test_wrong_variable_stops_the_boot_and_is_named(production, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        production(**{name: value})


def test_readers_are_no_more_than_the_threads_that_may_wait_for_stripe(production) -> None:
    assert production().BILLING.sync_readers == 4
    assert production(STRIPE_CONCURRENCY="2").BILLING.sync_readers == 2


def test_a_test_key_can_go_to_a_sandbox_without_https(production) -> None:
    settings = production(STRIPE_SECRET_KEY="sk_test_1", STRIPE_API_BASE="http://sandbox:8010")
    assert settings.BILLING.stripe_api_base == "http://sandbox:8010"


def test_a_trial_on_this_machine_can_run_without_https(production) -> None:
    settings = production(
        STRIPE_SECRET_KEY="sk_test_1",
        PUBLIC_URL="http://localhost:8000",
        ALLOWED_HOSTS="localhost",
    )
    assert settings.PUBLIC_URL == "http://localhost:8000"


def test_a_platform_without_a_stripe_account_says_so(production) -> None:
    settings = production(STRIPE_SECRET_KEY="none", STRIPE_WEBHOOK_SECRETS=None)
    assert settings.BILLING.stripe_secret_key == ""
    with pytest.raises(ImproperlyConfigured, match="STRIPE_PUBLISHABLE_KEY"):
        production(STRIPE_SECRET_KEY="none", STRIPE_PUBLISHABLE_KEY="pk_live_12345")


def test_keys_of_projects_never_travel_without_https(production) -> None:
    with pytest.raises(ImproperlyConfigured, match="STRIPE_API_BASE"):
        production(STRIPE_SECRET_KEY="none", STRIPE_API_BASE="http://api.stripe.com")


def test_the_publishable_key_is_of_the_platforms_account(production) -> None:
    settings = production(STRIPE_PUBLISHABLE_KEY="pk_live_12345")
    assert settings.BILLING.stripe_publishable_key == "pk_live_12345"


def test_where_spans_are_sent(production) -> None:
    assert production().TRACING.endpoint == ""
    tracing = production(
        OTEL_EXPORTER_OTLP_ENDPOINT="https://collector.example.com:4318/",
        OTEL_EXPORTER_OTLP_HEADERS="X-Key=a%2Cb, tenant=acme",
        OTEL_TRACES_SAMPLER_ARG="0.5",
    ).TRACING
    assert tracing.endpoint == "https://collector.example.com:4318"
    assert tracing.headers == {"x-key": "a,b", "tenant": "acme"}
    assert (tracing.ratio, tracing.service) == (0.5, "tollgate")
    assert "a,b" not in repr(tracing)


def test_djangos_deployment_checks_pass() -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={**COMPLETE, "DJANGO_SETTINGS_MODULE": "config.settings.production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_production_does_not_import_the_embedded_servers(production, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.startswith("devtools.embedded")]:
        monkeypatch.delitem(sys.modules, name)
    production()
    assert not [name for name in sys.modules if name.startswith("devtools.embedded")]
