"""Settings of the language that the apps share."""

from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from environ import Env


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """``loopback`` lets :mod:`common.egress` also reach this machine, by http and at any port."""

    loopback: bool = False

    @classmethod
    def from_env(cls, env: Env, *, default: bool = False) -> "EgressSettings":
        return cls(loopback=env.bool("EGRESS_LOOPBACK", default=default))

    def check(self) -> None:
        """Refuse to let tenants' addresses lead to this machine."""
        if self.loopback:
            raise ImproperlyConfigured("EGRESS_LOOPBACK is for development only: unset it.")
