"""Compares answers of the service with ``openapi.yaml`` beside this file.

Stricter than the document alone: an object has no fields but the declared ones, so that a field
that is answered and not documented is found as well as one that is documented and missing.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml
from jsonschema_rs import Draft202012Validator, Registry

from config.old_addresses import find_present_path

DOCUMENT = Path(__file__).with_name("openapi.yaml")
DOCUMENT_URI = "urn:tollgate:openapi"
JSON = "application/json"
UNDOCUMENTED = re.compile(r"/api/(schema|docs|redoc)(/|$)")
"""Addresses that people call, not tenants."""
CHECKED_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
PARAMETER = re.compile(r"\{[^}]+\}")


class UndocumentedAnswer(AssertionError):
    """The service has answered what its document does not say."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a documented path, with a validator per status; None for an answer that is not
    JSON."""

    name: str
    validators: dict[int, Draft202012Validator | None]

    def check(self, status: int, body: Any) -> None:
        """Raises UndocumentedAnswer."""
        if status not in self.validators:
            raise UndocumentedAnswer(f"{self.name}: status {status} is not documented.")
        validator = self.validators[status]
        if validator is None:
            raise UndocumentedAnswer(f"{self.name}: {status} is documented without a JSON body.")
        if not validator.is_valid(body):
            faults = [
                f"/{'/'.join(map(str, error.instance_path))}: {error.message}"
                for error in validator.iter_errors(body)
            ]
            raise UndocumentedAnswer("\n".join([f"{self.name}, {status}:", *faults]))


class DocumentedPath(NamedTuple):
    """A path's template, as the document writes it, and the pattern of the addresses it means."""

    template: str
    pattern: re.Pattern[str]


def check(method: str, path: str, status: int, body: Any) -> None:
    """Check the JSON body of an answer below ``/api``; ``path`` is without a query. Raises
    UndocumentedAnswer."""
    if method not in CHECKED_METHODS or UNDOCUMENTED.match(path):
        return
    path = find_present_path(path)[1] or path
    template = _find_template(path)
    if template is None:
        raise UndocumentedAnswer(f"{method} {path} is not documented.")
    _find_operation(template, method).check(status, body)


@cache
def openapi() -> dict[str, Any]:
    """The document, read once by each process for all tests: they change nothing in it."""
    document: dict[str, Any] = yaml.load(DOCUMENT.read_text(), Loader=yaml.CSafeLoader)
    return document


@cache
def _document() -> dict[str, Any]:
    document = deepcopy(openapi())
    for schema in _schemas(document):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document. Raises ValueError for a schema made of several, which must not
    be closed one by one."""
    if isinstance(node, dict):
        if len(node.get("allOf", ())) > 1:
            raise ValueError("Close objects with unevaluatedProperties: allOf has several schemas.")
        yield node
        for child in node.values():
            yield from _schemas(child)
    elif isinstance(node, list):
        for child in node:
            yield from _schemas(child)


@cache
def _paths_by_length() -> dict[int, list[DocumentedPath]]:
    """By how many slashes they have; fixed words come before parameters."""
    paths = defaultdict(list)
    for template in sorted(_document()["paths"], key=lambda each: each.replace("{", "~")):
        words = PARAMETER.split(template)
        pattern = re.compile("[^/]+".join(map(re.escape, words)) + r"\Z")
        paths[template.count("/")].append(DocumentedPath(template, pattern))
    return dict(paths)


def _find_template(path: str) -> str | None:
    candidates = _paths_by_length().get(path.count("/"), ())
    return next((each.template for each in candidates if each.pattern.match(path)), None)


@cache
def _find_operation(template: str, method: str) -> Operation:
    responses = _document()["paths"][template].get(method.lower(), {}).get("responses", {})
    validators = {
        int(status): _validator(template, method, status) if JSON in _content(response) else None
        for status, response in responses.items()
        if status.isdecimal()
    }
    return Operation(f"{method} {template}", validators)


def _content(response: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = response.get("content", {})
    return content


def _validator(template: str, method: str, status: str) -> Draft202012Validator:
    place = ["paths", template, method.lower(), "responses", status, "content", JSON, "schema"]
    pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in place)
    return Draft202012Validator(
        {"$ref": f"{DOCUMENT_URI}#/{quote(pointer)}"},
        registry=_known_documents(),
        validate_formats=True,
    )


@cache
def _known_documents() -> Registry:
    return Registry([(DOCUMENT_URI, _document())])
