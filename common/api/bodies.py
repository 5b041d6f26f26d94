"""Response serializers for the OpenAPI document, generated from the declarations of bodies.

Only drf-spectacular uses them: answers are built by functions beside the declarations.
"""

from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from django.db.models import Choices
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.bodies import MaxLength

Field = serializers.Field[Any, Any, Any, Any]


ANY_JSON = {"type": ["boolean", "number", "string", "array", "object"]}
"""Any JSON except null, which a nullable field adds."""


@extend_schema_field(ANY_JSON)
class JsonField(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value, including null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)


SCALARS: dict[Any, type[Field]] = {
    str: serializers.CharField,
    int: serializers.IntegerField,
    bool: serializers.BooleanField,
    date: serializers.DateField,
    datetime: serializers.DateTimeField,
    Any: JsonField,
}


@cache
def serializer_of(body: type, *, name: str = "") -> type[serializers.Serializer[Any]]:
    """The serializer of a ``TypedDict``; ``RefundBody`` becomes the component ``Refund``.

    In ``Annotated[…]``, a string describes the field. Other annotations give the format of the
    ``str``: an enumeration, a ``Literal`` or a tuple of choices for one of its values, ``datetime``
    for a time, ``date`` for a day. ``name`` overrides the component's name. Raises TypeError for a
    type without a field here.
    """
    hints = get_type_hints(body, include_extras=True)
    component = name or body.__name__.removesuffix("Body")
    fields = {field: _field(hint) for field, hint in hints.items()}
    attributes = {"__doc__": body.__doc__, **fields}
    return type(f"{component}Serializer", (serializers.Serializer,), attributes)


def _field(hint: Any, **options: Any) -> Field:
    """The field of a type hint; ``options`` are arguments of the field, such as ``required``."""
    arguments = get_args(hint)
    match get_origin(hint):
        case None:
            return _plain_field(hint, options)
        case origin if origin is NotRequired:
            return _field(arguments[0], required=False, **options)
        case origin if origin is Annotated:
            return _annotated_field(*arguments, options=options)
        case origin if origin in (Union, UnionType):
            [member_type] = [argument for argument in arguments if argument is not NoneType]
            return _field(member_type, allow_null=True, **options)
        case origin if origin is Literal:
            return serializers.ChoiceField(choices=list(arguments), **options)
        case origin:
            return _container_field(origin, arguments[-1], options)


def _plain_field(hint: Any, options: dict[str, Any]) -> Field:
    if is_typeddict(hint):
        return serializer_of(hint)(**options)
    if isinstance(hint, tuple):
        return serializers.ChoiceField(choices=list(hint), **options)
    if hint in SCALARS:
        return SCALARS[hint](**options)
    if issubclass(hint, Choices):
        return serializers.ChoiceField(choices=hint.choices, **options)
    if issubclass(hint, Enum):
        return serializers.ChoiceField(choices=[member.value for member in hint], **options)
    raise TypeError(f"A body has no field for {hint}.")


def _annotated_field(hint: Any, *notes: Any, options: dict[str, Any]) -> Field:
    for note in notes:
        if isinstance(note, str):
            options["help_text"] = note
        elif isinstance(note, MaxLength):
            options["max_length"] = note.characters
        else:
            hint = note
    return _field(hint, **options)


def _container_field(origin: Any, item: Any, options: dict[str, Any]) -> Field:
    """A list of bodies, a list of plain values, or an object with any member names."""
    if origin is list and is_typeddict(item):
        return serializer_of(item)(many=True, **options)
    if item is not Any:
        options["child"] = _field(item)
    if origin is list:
        return serializers.ListField(**options)
    return serializers.DictField(**options)
