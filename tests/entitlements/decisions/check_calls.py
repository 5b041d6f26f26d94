"""Calls of the check API with their numbers of queries."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

CHECK = "/entitlements/check"
COLD = 1
"""Queries of an answer that nobody has kept, and that needs no figures."""


def check(api, user_id="ada", feature="sso"):
    return api.get(CHECK, query={"user_id": user_id, "feature": feature})


def queries(call):
    with CaptureQueriesContext(connection) as seen:
        answer = call()
    return answer, len(seen)
