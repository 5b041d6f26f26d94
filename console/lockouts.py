"""How often somebody may fail to sign in to the console, within a quarter of an hour.

One for a name from an address, one for an address whatever names it tries. A name alone has none:
whoever knows an operator's name could keep them out from anywhere.
"""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from common import proxies

FAILURES = {"name from an address": 10, "address": 20}
"""Failures after which no password is looked at, in the order of ``AXES_LOCKOUT_PARAMETERS``."""


def client_address(request: HttpRequest) -> str:
    """Whose failures they are: the client's, not a proxy's; an IPv6 /64 network counts as one."""
    return proxies.site_of(request.META.get("REMOTE_ADDR", ""))


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes carries no types
    """As axes counts, with a limit of its own for each of the parameters."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The failures towards ``AXES_FAILURE_LIMIT``; at least that many at either limit."""
        attempts = self.get_user_attempts(request, credentials)
        counted = [rows.aggregate(n=Sum("failures_since_start"))["n"] or 0 for rows in attempts]
        limits = zip(counted, FAILURES.values(), strict=True)
        if any(count >= limit for count, limit in limits):
            return max(*counted, settings.AXES_FAILURE_LIMIT)
        return min(counted[0], settings.AXES_FAILURE_LIMIT - 1)
