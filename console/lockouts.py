"""Limits of failed sign-ins to the console, within a quarter of an hour.

One limit counts a name from an address, the other an address with any name. A name alone has no
limit: anyone who knows an operator's name could otherwise lock them out.
"""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from common import proxies

FAILURES = {"name from an address": 10, "address": 20}
"""Failures after which no password is checked, in the order of ``AXES_LOCKOUT_PARAMETERS``."""


def client_address(request: HttpRequest) -> str:
    """The address that failures are counted for: the client's, not a proxy's. An IPv6 /64 network
    counts as one address."""
    return proxies.site_of(request.META.get("REMOTE_ADDR", ""))


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes carries no types
    """Counts as django-axes does, with a separate limit for each lockout parameter."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The number of failures; at least ``AXES_FAILURE_LIMIT`` when either limit is reached."""
        attempts = self.get_user_attempts(request, credentials)
        counted = [rows.aggregate(n=Sum("failures_since_start"))["n"] or 0 for rows in attempts]
        limits = zip(counted, FAILURES.values(), strict=True)
        if any(count >= limit for count, limit in limits):
            return max(*counted, settings.AXES_FAILURE_LIMIT)
        return min(counted[0], settings.AXES_FAILURE_LIMIT - 1)
