"""``/.well-known/jwks.json``: the public keys that snapshots verify with. No key is needed."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from entitlements.snapshots import signing_keys

FRESH = 300
"""Seconds for which anybody may keep the set. An unknown ``kid`` is a reason to ask earlier."""


@require_safe
@cache_control(public=True, max_age=FRESH, stale_if_error=86_400)
def keys(request: HttpRequest) -> HttpResponse:
    """The current key and those that were replaced, newest first."""
    body = orjson.dumps(signing_keys.key_set(at=timezone.now()))
    return HttpResponse(body, content_type="application/jwk-set+json")
