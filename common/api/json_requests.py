"""Read a JSON body from the WSGI environment, before Django creates a request."""

import re
from io import BytesIO
from typing import Any

from common.api.parsers import MAX_BODY

CONTENT_TYPE = "application/json"
LENGTH = re.compile(r"[0-9]{1,7}")


def read_body(environ: dict[str, Any]) -> bytes | None:
    """Return the body, which stays readable at ``wsgi.input``.

    None for a request that the fast path cannot handle: with a query string, another content type
    or no length, longer than ``MAX_BODY`` bytes, or cut off.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    is_json = environ.get("CONTENT_TYPE") == CONTENT_TYPE and not environ.get("QUERY_STRING")
    if not is_json or LENGTH.fullmatch(length) is None or int(length) > MAX_BODY:
        return None
    try:
        body: bytes = environ["wsgi.input"].read(int(length))
    except OSError:
        return None
    environ["wsgi.input"] = BytesIO(body)
    return body if len(body) == int(length) else None
