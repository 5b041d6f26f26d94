"""A method of ours is a route of the HTTP API: how its message becomes a request, and the answer
its message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rest_framework.exceptions import ValidationError

from common.ids import is_id
from projects.keys.scopes import KeyScope
from rpc.requests import HttpRequest

Values = dict[str, Any]
Shape = Callable[[Values], Values]
WITHOUT_BODY = frozenset({"GET", "DELETE"})
API = "/api/v1"


def no_object(prefix: str) -> str:
    """An id of the right form, of no object."""
    return f"{prefix}_{'0' * 26}"


NOTHING = {"user_id": "-", "product": no_object("prod")}
"""What a path is filled with for a request that is refused whatever it asks for."""


def as_it_is(body: Values) -> Values:
    return body


def inside(name: str) -> Shape:
    """The body is the field ``name`` of the answer; other fields of it may be beside."""
    return lambda body: {**body, name: body}


def page(body: Values) -> Values:
    """A list, with the cursor of its next page instead of that page's address."""
    cursors = parse_qs(urlsplit(body["next"] or "").query).get("cursor", [None])
    return {**body, "next_cursor": cursors[0]}


def results(body: Values) -> Values:
    """The decisions about many users."""
    return {"data": [{"user_id": each["user_id"], "decision": each} for each in body["data"]]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRoute:
    """``path`` is below ``/api/v1``; fields of the message that it names are in it, the others in
    the query or the body. ``scope`` is the one that the route's view demands."""

    verb: str
    path: str
    scope: KeyScope
    shape: Shape = as_it_is
    no_object: str = ""
    """For a path with ``{id}``: an id of the right form, of no object."""

    def request(self, values: Values) -> HttpRequest:
        """The request of a message. Raises ValidationError for what cannot be in an address."""
        names = self.path_fields
        _check_path_fields(names, values)
        path = API + self.path.format(**{name: self._in_path(name, values[name]) for name in names})
        rest = {name: value for name, value in values.items() if name not in names}
        if self.verb in WITHOUT_BODY:
            query = {name: _text(value) for name, value in rest.items()}
            return HttpRequest(verb=self.verb, path=path, query=query)
        return HttpRequest(verb=self.verb, path=path, body=rest)

    def empty_request(self) -> HttpRequest:
        """A request without any value, for a caller whom the view refuses whatever it sends."""
        names = self.path_fields
        path = API + self.path.format(**{name: NOTHING.get(name, self.no_object) for name in names})
        body: Values | None = None if self.verb in WITHOUT_BODY else {}
        return HttpRequest(verb=self.verb, path=path, body=body)

    def _in_path(self, name: str, value: str) -> str:
        """The value; for an id of another form one of no object, which the view answers as not
        found. Another route could have the address that such an id makes."""
        if name != "id" or is_id(value, self.no_object.partition("_")[0]):
            return value
        return self.no_object

    @property
    def path_fields(self) -> list[str]:
        return [name for _, name, _, _ in Formatter().parse(self.path) if name]


def _check_path_fields(names: list[str], values: Mapping[str, Any]) -> None:
    errors = {}
    for name in names:
        if not values.get(name):
            errors[name] = ["This field is required."]
        elif "/" in values[name]:
            errors[name] = ["There is none with a slash in its name."]
    if errors:
        raise ValidationError(errors)


def _text(value: Any) -> str:
    """A value as a query has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)
