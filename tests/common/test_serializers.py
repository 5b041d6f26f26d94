"""Integer and boolean fields accept JSON integers and booleans only."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import get_resolver
from rest_framework import serializers

from common.api.serializers import FlagField, StrictSerializer, WholeNumberField
from projects.keys.api.views import ProjectViewSet

NO_INTEGERS = ["5", "\u0663", "1_000", " 5 ", "+5", "5.0", "1e3", 5.0, 1e3, -0.0, True, [5], {}, ""]
LAX = (serializers.IntegerField, serializers.FloatField, serializers.BooleanField)
STRICT = (WholeNumberField, FlagField)
NO_FLAGS = ["true", "True", "yes", "on", "t", "1", 1, 0, 1.0, "", [True], {}]


@pytest.mark.parametrize("value", NO_INTEGERS)
def test_only_json_integers_are_integers(value: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        WholeNumberField().run_validation(value)


@pytest.mark.parametrize("value", [0, 1, -1, 2**53, 2**63 - 1])
def test_an_integer_is_returned_unchanged(value: int) -> None:
    assert WholeNumberField().run_validation(value) == value


@pytest.mark.parametrize("value", NO_FLAGS)
def test_only_true_and_false_are_booleans(value: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        FlagField().run_validation(value)


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_returned_unchanged(value: bool) -> None:
    assert FlagField().run_validation(value) is value


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _fields(declared: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, field in declared.items():
        yield name, field
        if (child := getattr(field, "child", None)) is not None:
            yield from _fields({name: child})


def test_every_body_uses_the_strict_fields() -> None:
    """A query is text and cannot; every other serializer of ours must."""
    assert get_resolver().url_patterns  # imports every view
    queries = {
        each
        for view in _below(ProjectViewSet)
        for query in view.query.values()
        for each in query.__mro__
    }
    bodies = set(_below(StrictSerializer)) - queries
    lax = [
        f"{body.__name__}.{name}"
        for body in bodies
        for name, field in _fields(body().get_fields())
        if isinstance(field, LAX) and not isinstance(field, STRICT)
    ]
    assert len(bodies) > 10
    assert lax == []
