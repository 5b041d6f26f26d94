"""This app's settings."""

from dataclasses import dataclass

from environ import Env


@dataclass(frozen=True, kw_only=True)
class ProjectsSettings:
    """``default_currency`` is what a new project gets when it names none; it may be empty."""

    default_currency: str = "usd"

    @classmethod
    def from_env(cls, env: Env) -> "ProjectsSettings":
        return cls(default_currency=env.str("DEFAULT_CURRENCY", default="usd").strip().lower())
