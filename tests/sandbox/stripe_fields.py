"""The fields of Stripe's published fixtures (github.com/stripe/openapi, ``fixtures3.json``, MIT).

``stripe_fields.json`` keeps the names alone, of the kinds of object that the sandbox has. They are
those of August 2026; the SDK's types say what newer API versions took away. Another version:
``python -m tests.sandbox.stripe_fields PATH/fixtures3.json``.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).with_name("stripe_fields.json")

Fields = dict[str, list[str] | None]
"""Field to the fields of the hash that is its value; None for any other value."""


def load() -> dict[str, Fields]:
    """The fields by kind of object."""
    fields_by_kind: dict[str, Fields] = json.loads(FILE.read_text())
    return fields_by_kind


def fields_of(fixture: dict[str, object]) -> Fields:
    return {
        name: sorted(value) if isinstance(value, dict) else None
        for name, value in sorted(fixture.items())
    }


def replace(fixtures: Path) -> None:
    """Take the fields of the kinds in the file from these fixtures."""
    resources = json.loads(fixtures.read_text())["resources"]
    FILE.write_text(json.dumps({kind: fields_of(resources[kind]) for kind in load()}, indent=1))


if __name__ == "__main__":
    replace(Path(sys.argv[1]))
