"""Pages of API documentation, served without a request to another host.

Both viewers come from the drf-spectacular sidecar. ReDoc's bundle loads one picture, its logo, from
another host; that URL is removed.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator

from common.api import error_catalog

_REDOC = "drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js"
_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"


@cache
def openapi() -> bytes:
    """The OpenAPI document; it changes only with the code."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    document: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str)


@cache
def redoc_bundle() -> bytes:
    """ReDoc's script without the URL of its logo."""
    path = finders.find(_REDOC)
    if not isinstance(path, str):
        raise FileNotFoundError(_REDOC)
    return Path(path).read_bytes().replace(_LOGO, b"data:,")


@cache
def _tag(name: str) -> str:
    body = openapi() if name == "openapi" else redoc_bundle()
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@require_safe
@gzip_page
@condition(etag_func=lambda request: _tag("openapi"))
def schema(request: HttpRequest) -> HttpResponse:
    return HttpResponse(openapi(), content_type="application/vnd.oai.openapi+json")


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/swagger.html")


@require_safe
def redoc(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/redoc.html")


@require_safe
@gzip_page
@cache_control(max_age=86_400, public=True)
@condition(etag_func=lambda request: _tag("redoc"))
def redoc_script(request: HttpRequest) -> HttpResponse:
    return HttpResponse(redoc_bundle(), content_type="text/javascript")


@require_safe
def graphiql(request: HttpRequest) -> HttpResponse:
    """A page that sends GraphQL queries, in development only."""
    if not settings.GRAPHIQL:
        raise Http404
    return render(request, "docs/graphiql.html")


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """The page that the ``type`` of a problem document links to."""
    return render(request, "docs/errors.html", {"entries": error_catalog.entries()})
