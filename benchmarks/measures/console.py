"""``python -m benchmarks.measures.console CUSTOMER``: queries and time of two console pages.

Prints JSON.
"""

import json
import sys
import time

import django

PASSWORD = "of this database only"  # noqa: S105


def measure_pages(customer: str) -> dict[str, tuple[int, float]]:
    """Number of queries and milliseconds by page, on the second request."""
    from django.contrib.auth.models import User  # noqa: PLC0415  # Django is set up only now
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    user = User.objects.filter(username="bench").first()
    browser = Client(headers={"Host": "127.0.0.1"})
    browser.force_login(user or User.objects.create_superuser("bench", password=PASSWORD))
    seen = {}
    for name, path in {
        "home": "/admin/",
        "customer page": f"/admin/projects/customer/{customer}/change/",
    }.items():
        browser.get(path)
        with CaptureQueriesContext(connection) as queries:
            begun = time.perf_counter()
            answer = browser.get(path)
            took = time.perf_counter() - begun
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        seen[name] = (len(queries), round(took * 1000, 1))
    return seen


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(measure_pages(sys.argv[1])))
