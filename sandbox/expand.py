"""``expand``: replaces ids by their objects and adds fields that are hidden by default.

The SDK's annotations say which fields can be expanded.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Collection
from typing import Any

import stripe
from stripe import StripeObject

from sandbox.errors import invalid
from sandbox.objects import Object, copy
from sandbox.permissions import Permissions
from sandbox.routing import Include
from sandbox.transaction import Transaction

MAX_DEPTH = 4
"""Maximum number of names in a path, including ``data`` of a list."""
HIDDEN = {"billing_portal.configuration": ("features", "subscription_update", "products")}
"""Fields that are hidden unless expanded: path inside an object of this kind."""
CLASS_NAMES = {
    "invoiceitem": "InvoiceItem",
    "item": "LineItem",
    "line_item": "InvoiceLineItem",
    "list": "ListObject",
    "search_result": "SearchResultObject",
}
"""The SDK's classes that are not called as their objects are."""
Includables = dict[tuple[str, str], Include]


def expand(
    tx: Transaction,
    body: Object,
    paths: list[str],
    includables: Includables,
    permissions: Permissions,
) -> Object:
    """A copy of the response with each path expanded.

    Raises 400 for a path that cannot be expanded, and 403 for an object that the key may not read.
    """
    response: Object = copy(body)
    _hide(response, {tuple(path.removeprefix("data.").split(".")) for path in paths})
    for path in sorted(paths, key=len):
        names = path.split(".")
        if len(names) > MAX_DEPTH:
            raise invalid(
                f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}",
                param="expand",
            )
        _Expansion(tx, path, includables, permissions).visit(
            response, names, cls=_class_of(response)
        )
    return response


def _hide(response: Object, expanded_paths: Collection[tuple[str, ...]]) -> None:
    for each in response["data"] if response.get("object") == "list" else [response]:
        path = HIDDEN.get(each.get("object", ""))
        if path and path not in expanded_paths:
            *parents, name = path
            functools.reduce(dict.__getitem__, parents, each).pop(name)


class _Expansion:
    def __init__(
        self, tx: Transaction, path: str, includables: Includables, permissions: Permissions
    ) -> None:
        self.tx, self.path, self.includables = tx, path, includables
        self.is_hidden = tuple(path.removeprefix("data.").split(".")) in HIDDEN.values()
        self.permissions = permissions

    def visit(self, body: Object, names: list[str], *, cls: type | None) -> None:
        name, rest = names[0], names[1:]
        if body.get("object") == "list" and name == "data":
            for item in body["data"] if rest else ():
                self.visit(item, rest, cls=_class_of(item))
            return
        body_key = (body.get("object", ""), name)
        if body_key in self.includables and not isinstance(body.get(name), dict):
            body[name] = copy(self.includables[body_key](self.tx, body))
        elif name in body and _is_expandable(cls, name):
            body[name] = self._resolve(body[name])
        elif not (name in body and (rest or self.is_hidden)):
            raise self._refusal()
        if rest:
            self._descend(body[name], rest, _field_class(cls, name))

    def _descend(self, value: Any, names: list[str], cls: type | None) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                self.visit(item, names, cls=_class_of(item) or cls)
            elif item is not None:
                raise self._refusal()

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolve(item) for item in value]
        if not isinstance(value, str):
            return value
        target = self.tx.find_by_id(value)
        if target is None:
            return value
        self.permissions.check_expanded(target["object"])
        return copy(target)

    def _refusal(self) -> Exception:
        return invalid(
            f"This property cannot be expanded ({self.path}). You may want to try expanding "
            "another property. See https://docs.stripe.com/expand for details.",
            param="expand",
        )


def _class_of(body: Object) -> type | None:
    return _named_class(body.get("object", ""))


@functools.cache
def _named_class(name: str) -> type | None:
    """The SDK's class of a kind of object, such as ``checkout.session``."""
    *namespaces, kind = name.split(".")
    place: Any = stripe
    for namespace in namespaces:
        place = getattr(place, namespace, None)
    class_name = CLASS_NAMES.get(name) or kind.title().replace("_", "")
    object_class: type | None = getattr(place, class_name, None)
    return object_class if getattr(object_class, "OBJECT_NAME", None) == name else None


@functools.cache
def _is_expandable(cls: type | None, field: str) -> bool:
    """Whether the SDK declares the field as ``ExpandableField``: an id or the whole object."""
    return _has_expandable(cls.__annotations__.get(field)) if cls else False


def _has_expandable(annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is list:
        return _has_expandable(arguments[0])
    return str in arguments and any(isinstance(each, typing.ForwardRef) for each in arguments)


@functools.cache
def _field_class(cls: type | None, field: str) -> type | None:
    """The SDK's class of a nested hash such as ``invoice_settings``."""
    return _nested(cls.__annotations__.get(field)) if cls else None


def _nested(annotation: Any) -> type | None:
    if isinstance(annotation, type) and issubclass(annotation, StripeObject):
        return annotation
    return next((inner for each in typing.get_args(annotation) if (inner := _nested(each))), None)
