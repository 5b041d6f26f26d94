"""Structured logs: one JSON object per line with request and event ids, never with secrets.

Only fields that we name are logged. In addition, values that look like a key, a signature, a
webhook secret or an e-mail address are replaced.
"""

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRETS = re.compile(
    r"(?:(?:sk|rk|pk)_(?:test|live)_|tg_(?:test|live|platform)_|whsec_|Bearer\s+)[\w\-./+=]{6,}"
    r"|[\w.+\-]+@[\w\-]+\.[\w.\-]+"
    r"|pi_\w+_secret_\w+"
)
_REDACTED = "[redacted]"

ERROR_LENGTH = 1000
"""Most characters of an error that are stored."""


def redact(value: Any) -> Any:
    """The value without anything that looks like a secret or an e-mail address."""
    if isinstance(value, str):
        return _SECRETS.sub(_REDACTED, value)
    if isinstance(value, dict):
        return {key: redact(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [redact(member) for member in value]
    return value


def error_text(error: Exception, *, length: int = ERROR_LENGTH) -> str:
    """Class and message of an error for storage: without secrets, e-mail addresses and NUL."""
    text: str = redact(f"{type(error).__name__}: {getattr(error, 'detail', '') or error}")
    return text.replace("\0", "\ufffd")[:length]


def _redact_event(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: redact(value) for key, value in event.items()}


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _redact_event,
]


def logging_settings(*, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything to standard output as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"standard_output": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["standard_output"], "level": level},
        "loggers": {
            "stripe": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            # A collector that is away: one line for each lost batch, none for each try.
            "opentelemetry": {"level": "ERROR"},
            # Anybody can send a foreign Host header: it is answered 400 and needs no log line.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


_PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""One list for the whole process: a logger that was used before another setup of Django keeps it,
and what captures lines changes it."""


def configure(settings: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: structlog and the standard library write the same format."""
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(settings)
