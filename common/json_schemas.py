"""JSON Schemas (draft 2020-12) of bodies, generated from their declarations.

``common.api.bodies`` generates the OpenAPI document from the same ``TypedDict`` classes. Published
schemas leave objects open: a reader must accept members that are added later.
"""

from datetime import date, datetime
from enum import Enum
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

from common.bodies import MaxLength

Schema = dict[str, Any]
SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
}


class SchemaSet:
    """Schemas of bodies that refer to each other. ``schemas`` is filled as they are asked for."""

    def __init__(self, prefix: str = "#/$defs/") -> None:
        self.schemas: dict[str, Schema] = {}
        self._prefix = prefix

    def ref(self, body: type) -> Schema:
        """A reference to the schema of a ``TypedDict``; ``RefundBody`` is called ``Refund``."""
        name = body.__name__.removesuffix("Body")
        if name not in self.schemas:
            self.schemas[name] = {}  # a body may contain itself
            self.schemas[name].update(self._object(body))
        return {"$ref": f"{self._prefix}{name}"}

    def _object(self, body: type) -> Schema:
        hints = get_type_hints(body, include_extras=True)
        return {
            "type": "object",
            "description": " ".join((body.__doc__ or "").split()),
            "properties": {name: self._of(hint) for name, hint in hints.items()},
            "required": [name for name, hint in hints.items() if not _may_be_absent(hint)],
        }

    def _of(self, hint: Any) -> Schema:
        arguments = get_args(hint)
        match get_origin(hint):
            case None:
                return self._plain(hint)
            case origin if origin is NotRequired:
                return self._of(arguments[0])
            case origin if origin is Annotated:
                return self._annotated(*arguments)
            case origin if origin in (Union, UnionType):
                return self._union(arguments)
            case origin if origin is Literal:
                return {"enum": list(arguments)}
            case origin if origin is list:
                return {"type": "array", "items": self._of(arguments[0])}
            case _:
                return {"type": "object", "additionalProperties": self._of(arguments[-1])}

    def _plain(self, hint: Any) -> Schema:
        if is_typeddict(hint):
            return self.ref(hint)
        if isinstance(hint, tuple):
            return {"enum": [_choice_value(choice) for choice in hint]}
        if hint in SCALARS:
            return dict(SCALARS[hint])
        if issubclass(hint, Choices):
            return {"enum": list(hint.values)}
        if issubclass(hint, Enum):
            return {"enum": [member.value for member in hint]}
        raise TypeError(f"A body has no schema for {hint}.")

    def _annotated(self, hint: Any, *notes: Any) -> Schema:
        extra: Schema = {}
        for note in notes:
            if isinstance(note, str):
                extra["description"] = note
            elif isinstance(note, MaxLength):
                extra["maxLength"] = note.characters
            else:
                hint = note
        return {**self._of(hint), **extra}

    def _union(self, members: tuple[Any, ...]) -> Schema:
        return {
            "anyOf": [
                {"type": "null"} if member is NoneType else self._of(member) for member in members
            ]
        }


def _may_be_absent(hint: Any) -> bool:
    return get_origin(hint) is NotRequired


def _choice_value(choice: Any) -> Any:
    """The value of a choice, which may be a pair of value and label, as in Django."""
    return choice[0] if isinstance(choice, tuple) else choice
