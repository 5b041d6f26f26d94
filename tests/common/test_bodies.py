"""A declared request body becomes a serializer with the same fields."""

from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from django.db import models
from rest_framework import serializers

from common.api.bodies import JsonField, serializer_of
from common.bodies import MoneyBody, Time, money


class Color(models.TextChoices):
    RED = "red", "Like a rose"


class Size(StrEnum):
    SMALL = "small"


class LeafBody(TypedDict):
    """Hangs on a tree."""

    color: Annotated[str, Color]
    size: Annotated[Annotated[str, Size] | None, "Null while it grows."]


class TreeBody(TypedDict):
    name: Annotated[str, "As people call it."]
    height: int | None
    is_old: bool
    planted_at: Annotated[Time | None, "Null for a wild one."]
    season: Literal["summer", "winter"]
    leaves: Annotated[list[LeafBody], "All of them."]
    nicknames: list[str]
    labels: dict[str, str]
    value: Annotated[Any, "Whatever it is."]
    price: NotRequired[MoneyBody]


class GardenTreeBody(TreeBody):
    gardener: str


@pytest.fixture
def fields() -> dict[str, Any]:
    return dict(serializer_of(TreeBody)().fields)


def test_a_serializer_has_the_name_and_docstring_of_its_body() -> None:
    assert serializer_of(LeafBody).__name__ == "LeafSerializer"
    assert serializer_of(LeafBody).__doc__ == "Hangs on a tree."
    assert serializer_of(TreeBody).__doc__ is None
    assert serializer_of(LeafBody, name="Blade").__name__ == "BladeSerializer"


def test_a_body_has_one_serializer() -> None:
    assert serializer_of(LeafBody) is serializer_of(LeafBody)


def test_plain_types_become_fields(fields: dict[str, Any]) -> None:
    assert [type(fields[name]) for name in ("name", "height", "is_old", "planted_at", "value")] == [
        serializers.CharField,
        serializers.IntegerField,
        serializers.BooleanField,
        serializers.DateTimeField,
        JsonField,
    ]
    assert fields["name"].help_text == "As people call it."
    assert fields["planted_at"].help_text == "Null for a wild one."


def test_null_and_absence_are_distinct(fields: dict[str, Any]) -> None:
    assert {name for name, field in fields.items() if field.allow_null} == {
        "height",
        "planted_at",
        "value",
    }
    assert {name for name, field in fields.items() if not field.required} == {"price"}


def test_enums_become_choices(fields: dict[str, Any]) -> None:
    leaf = fields["leaves"].child.fields
    assert leaf["color"].choices == {"red": "Like a rose"}
    assert leaf["size"].choices == {"small": "small"}
    assert (leaf["size"].allow_null, leaf["size"].help_text) == (True, "Null while it grows.")
    assert fields["season"].choices == {"summer": "summer", "winter": "winter"}


def test_lists_and_bodies_become_nested_fields(fields: dict[str, Any]) -> None:
    assert type(fields["leaves"].child) is serializer_of(LeafBody)
    assert fields["leaves"].help_text == "All of them."
    assert type(fields["nicknames"].child) is serializers.CharField
    assert type(fields["labels"].child) is serializers.CharField
    assert type(fields["price"]) is serializer_of(MoneyBody)


def test_a_derived_body_lists_inherited_fields_first(fields: dict[str, Any]) -> None:
    assert list(serializer_of(GardenTreeBody)().fields) == [*fields, "gardener"]


def test_a_type_without_a_field_is_refused() -> None:
    class WrongBody(TypedDict):
        weight: float

    with pytest.raises(TypeError, match="no field for <class 'float'>"):
        serializer_of(WrongBody)


def test_money_becomes_an_amount_and_a_currency() -> None:
    assert money(2900, "usd") == {"amount": 2900, "currency": "usd"}
    assert money(None, "usd") is None
