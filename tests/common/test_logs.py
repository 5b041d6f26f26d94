"""Log lines hold no secrets."""

import io
import json
import logging

import pytest
import structlog
from django.conf import settings
from structlog.testing import capture_logs

from common import logs
from common.logs import logging_settings, redact


@pytest.mark.parametrize(
    "secret",
    [
        "tg_test_" + "aB1-_" * 8 + "xYz",
        "tg_live_" + "aB1-_" * 8 + "xYz",
        "tg_platform_" + "aB1-_" * 8 + "xYz",
        "sk_test_51H8abcdEFGH",
        "rk_live_51H8abcdEFGH",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
        "ada.lovelace+billing@example.co.uk",
        "Bearer abcdef123456",
    ],
)
def test_a_secret_never_reaches_a_line(secret: str) -> None:
    for place in (secret, f"text {secret} text", [secret], {"deep": [{"er": (secret,)}]}):
        assert secret not in str(redact(place))
        assert "[redacted]" in str(redact(place))


@pytest.mark.parametrize("logger", ["django.request", "billing.sync.service"])
@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "ada@example.com"])
def test_a_secret_in_an_exception_never_reaches_a_line(logger: str, secret: str) -> None:
    """The text of a traceback is made first, then searched."""
    line = io.StringIO()
    handler = logging.StreamHandler(line)
    formatter = logging_settings(level="INFO")["formatters"]["json"]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=formatter["foreign_pre_chain"], processors=formatter["processors"]
        )
    )
    record = logging.getLogger(logger)
    record.addHandler(handler)
    error = ValueError(f"said by {secret}")
    record.error("failed", exc_info=(ValueError, error, None))
    record.removeHandler(handler)

    written = json.loads(line.getvalue())
    assert "ValueError: said by [redacted]" in written["exception"]
    assert secret not in line.getvalue()


@pytest.mark.parametrize("harmless", ["cus_01j9zc3k5v8e4w2t7x6y5q4r3s", "GET /api/v1/customers", 7])
def test_harmless_values_are_logged_unchanged(harmless: object) -> None:
    assert redact(harmless) == harmless


def test_lines_are_captured_from_loggers_that_were_used_before_another_setup() -> None:
    log = structlog.get_logger("tests.used_before")
    log.info("first")
    logs.configure(settings.LOGGING)
    with capture_logs() as lines:
        log.info("second")
    assert [line["event"] for line in lines] == ["second"]
