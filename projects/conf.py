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
