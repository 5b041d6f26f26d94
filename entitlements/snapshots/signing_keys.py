"""The keys that sign snapshots: made on first use, replaced on request, published as a key set.

There is one current key for the whole platform; a unique index says so, whoever makes the first
one at the same time. A token names its key and its audience, so one key serves every project.
"""

import base64
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from common import crypto
from common.crypto import CannotDecrypt
from common.ids import new_id
from entitlements.conf import LONGEST_SNAPSHOT_LIFE
from entitlements.errors import SigningUnavailable
from entitlements.models import SigningKey
from entitlements.snapshots import selectors as signing_keys
from events.services import audit

PUBLISHED = LONGEST_SNAPSHOT_LIFE + timedelta(hours=1)
"""How long a replaced key stays published: longer than anything it signed can be valid, whatever
life was configured then."""


def current(*, at: datetime) -> SigningKey:
    """The key that signs; the first caller ever makes it."""
    found = signing_keys.current()
    while found is None:
        SigningKey.objects.bulk_create([_new(at)], ignore_conflicts=True)
        found = signing_keys.current()
    return found


def rotate(*, actor: str, at: datetime, withdraw: bool = False, reason: str = "") -> SigningKey:
    """Sign with a new key from now on.

    Older ones stay published until everything they signed has expired; with ``withdraw``, as after
    a leak, no older one is published any more and nothing that they signed verifies again.
    """
    with transaction.atomic():
        old = signing_keys.lock()
        if old is not None:
            old.retired_at, old.published_until = at, at + PUBLISHED
            old.save(update_fields=["retired_at", "published_until"])
        if withdraw:
            SigningKey.objects.filter(published_until__gt=at).update(published_until=at)
        key = current(at=at)
        audit.record(
            actor=actor,
            action="signing_key.rotate",
            subject=key.pk,
            reason=reason,
            before={"key": old.pk} if old else {},
            after={"key": key.pk, "withdrawn": withdraw},
            at=at,
        )
    return key


def private(key: SigningKey) -> Ed25519PrivateKey:
    """To sign with, never to show. Raises SigningUnavailable."""
    try:
        text = crypto.decrypt(key.private, context=key.private_context)
    except CannotDecrypt as error:
        raise SigningUnavailable(
            "The stored signing key cannot be read: its key in ENCRYPTION_KEYS is gone. Put it "
            "back, or run manage.py rotate_signing_key."
        ) from error
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text))


def key_set(*, at: datetime) -> dict[str, Any]:
    """The public keys as a JSON Web Key Set (RFC 7517, RFC 8037), newest first; never empty."""
    current(at=at)
    return {"keys": [_jwk(key) for key in signing_keys.published(at=at)]}


def _new(at: datetime) -> SigningKey:
    pair = Ed25519PrivateKey.generate()
    public = base64.urlsafe_b64encode(pair.public_key().public_bytes_raw()).rstrip(b"=").decode()
    key = SigningKey(pk=new_id("sig"), public=public, created_at=at)
    text = base64.b64encode(pair.private_bytes_raw()).decode()
    key.private = crypto.encrypt(text, context=key.private_context)
    return key


def _jwk(key: SigningKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": key.public,
        "kid": key.pk,
        "use": "sig",
        "alg": key.algorithm,
    }
