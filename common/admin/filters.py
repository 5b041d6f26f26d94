"""Filters for lists of the console."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db.models import Field, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    TextFilter,
)

PROJECT = ("project", AutocompleteSelectFilter)


def dates(field: str) -> "tuple[str, type[Field[Any, Any]]]":
    """A range of days, both included."""
    return field, RangeDateFilter


def choices(field: str) -> "tuple[str, type[Field[Any, Any]]]":
    """One of the choices of the field."""
    return field, ChoicesDropdownFilter


class ConditionFilter(DropdownFilter):  # type: ignore[misc]  # unfold carries no types
    """One of a few named conditions; an unknown name matches no row."""

    conditions: ClassVar[Mapping[str, Q]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in self.conditions]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        if not name:
            return queryset
        condition = self.conditions.get(name)
        return queryset.none() if condition is None else queryset.filter(condition)


def words(field: str, values: Iterable[str]) -> type[ConditionFilter]:
    """A filter of a text field by one of these values."""
    conditions = {str(value): Q(**{field: str(value)}) for value in values}
    return type(
        f"{field.capitalize()}Filter",
        (ConditionFilter,),
        {"title": field, "parameter_name": field, "conditions": conditions},
    )


class TypeFilter(TextFilter):  # type: ignore[misc]  # unfold carries no types
    """An exact type or, with a trailing dot, all types with this prefix."""

    title = "type"
    parameter_name = "type"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        searched = (self.value() or "").replace("\0", "")
        if not searched:
            return queryset
        return queryset.filter(
            Q(type__startswith=searched) if searched.endswith(".") else Q(type=searched)
        )
