"""This app's settings."""

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from common.currencies import exponent


@dataclass(frozen=True, kw_only=True)
class ProjectsSettings:
    """``default_currency`` of a project that names none; may be empty."""

    default_currency: str = "usd"

    def __post_init__(self) -> None:
        if self.default_currency and exponent(self.default_currency) is None:
            raise ImproperlyConfigured(
                f"DEFAULT_CURRENCY: Stripe does not charge in {self.default_currency!r}."
            )

    @classmethod
    def from_env(cls, env: Env) -> "ProjectsSettings":
        return cls(default_currency=env.str("DEFAULT_CURRENCY", default="usd").strip().lower())


@dataclass(frozen=True, kw_only=True)
class RateLimitSettings:
    """Requests per second of a project that has no limits of its own: ``checks`` are checks,
    consumption and usage, ``requests`` all others. ``are_on`` is false behind a gateway with limits
    of its own."""

    are_on: bool = True
    requests: int = 100
    checks: int = 2000

    def __post_init__(self) -> None:
        if self.requests < 1 or self.checks < 1:
            raise ImproperlyConfigured(
                "RATE_LIMIT_REQUESTS and RATE_LIMIT_CHECKS are requests per second, at least 1; "
                "RATE_LIMITS=off turns the limits off."
            )

    @classmethod
    def from_env(cls, env: Env) -> "RateLimitSettings":
        switch = env.str("RATE_LIMITS", default="on").strip().lower()
        if switch not in ("on", "off"):
            raise ImproperlyConfigured("RATE_LIMITS is on or off.")
        return cls(
            are_on=switch == "on",
            requests=env.int("RATE_LIMIT_REQUESTS", default=cls.requests),
            checks=env.int("RATE_LIMIT_CHECKS", default=cls.checks),
        )
