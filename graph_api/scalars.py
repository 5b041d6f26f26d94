"""Scalars of the schema beside GraphQL's own."""

from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

BigInt = NewType("BigInt", int)
Timestamp = NewType("Timestamp", str)

SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number as a JSON number. GraphQL's `Int` has 32 bits, which an amount "
        "in minor units can exceed.",
        parse_value=int,
    ),
    Timestamp: strawberry.scalar(
        name="DateTime",
        description="A time as RFC 3339 writes it. In answers it is in UTC: "
        "`2026-11-21T09:30:00.123456Z`.",
        parse_value=str,
    ),
}
