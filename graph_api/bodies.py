"""Object types of the schema, generated from the declarations of REST bodies.

A body (:mod:`common.bodies`) is declared once. Its fields here have the same values under the same
names in camel case, except for ids of other objects: ``customer`` is ``customerId``.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from inspect import cleandoc
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from graph_api.scalars import BigInt, Timestamp

ClassT = TypeVar("ClassT")

REFERENCES = frozenset(
    {
        *("customer", "subscription", "checkout", "invoice", "payment"),
        *("price", "product", "coupon", "promotion_code"),
    }
)
"""Members that hold the id of another object."""
_SCALARS: dict[Any, Any] = {str: str, int: BigInt, bool: bool, Any: JSON | None}
"""``Any`` is any JSON value, null too."""


@dataclass_transform(kw_only_default=True)
def body_type(
    body: type, *, name: str, without: frozenset[str] = frozenset()
) -> Callable[[type[ClassT]], type[ClassT]]:
    """Make a class an object type with the fields of ``body``, beside fields of its own.

    Instances have the values in ``body``, a mapping. ``without`` names members that the class has
    fields of its own for.
    """

    def decorate(cls: type[ClassT]) -> type[ClassT]:
        for member, hint in get_type_hints(body, include_extras=True).items():
            if member not in without:
                setattr(cls, f"body_{member}", _field(member, hint, _of_attribute(member)))
        typed: type[ClassT] = strawberry.type(cls, name=name, description=_sentence(body))
        return typed

    return decorate


@cache
def plain_type(body: type) -> type:
    """The object type of a body whose values are the mapping itself, such as ``Money``."""
    fields = {
        f"body_{member}": _field(member, hint, _of_mapping(member))
        for member, hint in get_type_hints(body, include_extras=True).items()
    }
    name = body.__name__.removesuffix("Body")
    return strawberry.type(type(name, (), fields), name=name, description=_sentence(body))


def field_name(member: str) -> str:
    """The field of the schema for a member of a body."""
    return to_camel_case(f"{member}_id" if member in REFERENCES else member)


def _field(member: str, hint: Any, resolver: Callable[[Any], Any]) -> Any:
    description = next((note for note in _notes(hint) if isinstance(note, str)), None)
    graphql_type = _graphql_type(hint)
    if member == "id" or member in REFERENCES:
        graphql_type = strawberry.ID if graphql_type is str else strawberry.ID | None
    return strawberry.field(
        resolver=resolver,
        name=field_name(member),
        description=description,
        graphql_type=graphql_type,
    )


def _of_attribute(member: str) -> Callable[[Any], Any]:
    def resolve(root: Any) -> Any:
        return root.body[member]

    return resolve


def _of_mapping(member: str) -> Callable[[Any], Any]:
    def resolve(root: Any) -> Any:
        values: Mapping[str, Any] = root
        return values.get(member)

    return resolve


def _graphql_type(hint: Any) -> Any:
    """The type of a field; raises KeyError for a type without one here."""
    arguments = get_args(hint)
    match get_origin(hint):
        case None:
            return plain_type(hint) if is_typeddict(hint) else _SCALARS[hint]
        case origin if origin is NotRequired:
            return _graphql_type(arguments[0]) | None
        case origin if origin is Annotated:
            return Timestamp if datetime in arguments[1:] else _annotated_type(hint)
        case origin if origin in (Union, UnionType):
            return _union_type(arguments)
        case origin if origin is Literal:
            return str
        case origin if origin is list:
            return list[_graphql_type(arguments[0])]  # type: ignore[misc]  # known at run time
        case _:
            return JSON


def _annotated_type(hint: Any) -> Any:
    return _graphql_type(get_args(hint)[0])


def _union_type(arguments: tuple[Any, ...]) -> Any:
    """An optional type; JSON for a value of several types."""
    members = [argument for argument in arguments if argument is not NoneType]
    return (_graphql_type(members[0]) if len(members) == 1 else JSON) | None


def _notes(hint: Any) -> tuple[Any, ...]:
    """The annotations of a field, also below ``NotRequired``."""
    if get_origin(hint) is NotRequired:
        return _notes(get_args(hint)[0])
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _sentence(body: type) -> str | None:
    """The docstring of the body in one line."""
    return " ".join(cleandoc(body.__doc__ or "").replace("``", "`").split()) or None
