"""``/.well-known/jwks.json``: the public keys that verify snapshots. No API key is needed."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from entitlements.snapshots import signing_keys

FRESH = 300
"""Seconds for which clients may cache the set. For an unknown ``kid`` they read it again."""


@require_safe
@cache_control(public=True, max_age=FRESH, stale_if_error=86_400)
def keys(request: HttpRequest) -> HttpResponse:
    """The current public key and its predecessors, newest first."""
    body = orjson.dumps(signing_keys.key_set(at=timezone.now()))
    return HttpResponse(body, content_type="application/jwk-set+json")
