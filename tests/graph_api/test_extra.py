"""Without the packages of ``requirements/graphql.in`` the service runs, and has no GraphQL."""

import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"

PROBE = """
import sys
if {is_missing}:
    sys.modules["strawberry"] = None
import django
django.setup()
from django.urls import Resolver404, resolve
resolve("/api/v1/payments")
try:
    print(resolve("/graphql").url_name)
except Resolver404:
    print("not there")
"""


@pytest.mark.parametrize(("is_missing", "route"), [(False, "graphql"), (True, "not there")])
def test_the_route_needs_the_extra(is_missing: bool, route: str) -> None:
    program = [sys.executable, "-c", PROBE.format(is_missing=is_missing)]

    result = subprocess.run(program, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == route


def test_the_extra_fits_what_production_installs() -> None:
    """pip refuses two versions of one package."""
    production, extra = (
        dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
        for lines in (
            (REQUIREMENTS / f"{name}.txt").read_text().splitlines()
            for name in ("production", "graphql")
        )
    )
    both = production.keys() & extra.keys()

    assert "strawberry-graphql" in extra
    assert {name: extra[name] for name in both} == {name: production[name] for name in both}
