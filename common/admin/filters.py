"""Filters of the console's lists."""

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
    """From one day to another, both included."""
    return field, RangeDateFilter


def choices(field: str) -> "tuple[str, type[Field[Any, Any]]]":
    """One of the field's own choices."""
    return field, ChoicesDropdownFilter


class ConditionFilter(DropdownFilter):  # type: ignore[misc]  # unfold carries no types
    """One of a few named conditions; a word that is not among them finds nothing."""

    conditions: ClassVar[Mapping[str, Q]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, word.replace("_", " ").capitalize()) for word in self.conditions]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        word = self.value()
        if not word:
            return queryset
        condition = self.conditions.get(word)
        return queryset.none() if condition is None else queryset.filter(condition)


def words(field: str, among: Iterable[str]) -> type[ConditionFilter]:
    """A text field by one of the words that it is known to hold."""
    conditions = {str(word): Q(**{field: str(word)}) for word in among}
    return type(
        f"{field.capitalize()}Filter",
        (ConditionFilter,),
        {"title": field, "parameter_name": field, "conditions": conditions},
    )


class TypeFilter(TextFilter):  # type: ignore[misc]  # unfold carries no types
    """An exact type, or with a trailing dot everything that begins like it."""

    title = "type"
    parameter_name = "type"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = (self.value() or "").replace("\0", "")
        if not wanted:
            return queryset
        return queryset.filter(
            Q(type__startswith=wanted) if wanted.endswith(".") else Q(type=wanted)
        )
