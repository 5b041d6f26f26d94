"""Fields that read rows. Each names the scope that a key needs for it, as actions of REST do."""

from collections.abc import Callable, Iterable
from inspect import getdoc
from typing import Any

import strawberry
from rest_framework.exceptions import PermissionDenied
from strawberry.extensions import FieldExtension
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from graph_api.request import QueryInfo

SCOPE = "scope"


class NeedsScope(FieldExtension):
    """Refuse the field to keys without the scope. The other fields of the query are answered."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def resolve(
        self, next_: Callable[..., Any], source: Any, info: QueryInfo, **kwargs: Any
    ) -> Any:
        if not info.context.caller.allows(self.scope):
            raise PermissionDenied(f"This field needs a key with the scope '{self.scope}'.")
        return next_(source, info, **kwargs)


def reads(scope: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a resolver a field that only keys with the scope can read. Its docstring is the field's
    public description."""

    def decorate(resolver: Callable[..., Any]) -> Any:
        text = " ".join((getdoc(resolver) or "").split())
        return strawberry.field(
            resolver=resolver,
            description=f"{text} Scope: `{scope}`.".strip(),
            extensions=[NeedsScope(scope)],
            metadata={SCOPE: scope},
        )

    return decorate


def scopes_by_field(types: Iterable[type]) -> dict[tuple[str, str], str]:
    """The scope of each field that reads rows, by the names of its type and of the field."""
    return {
        (definition.name, to_camel_case(field.python_name)): field.metadata[SCOPE]
        for definition in (get_object_definition(each, strict=True) for each in types)
        for field in definition.fields
        if SCOPE in field.metadata
    }
