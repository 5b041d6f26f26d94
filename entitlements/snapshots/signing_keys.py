"""Signing keys: created on first use, rotated on request, published as a key set.

One current key serves the whole platform, enforced by a unique index: a token names its key and its
audience.
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
from events.audit import audit_trail as audit

PUBLISHED_FOR = LONGEST_SNAPSHOT_LIFE + timedelta(hours=1)
"""How long a replaced key stays published: longer than any token that it signed is valid."""


def current(*, at: datetime) -> SigningKey:
    """The key that signs; created by the first call."""
    key = signing_keys.current()
    while key is None:
        SigningKey.objects.bulk_create([_generate(at)], ignore_conflicts=True)
        key = signing_keys.current()
    return key


def rotate(*, actor: str, at: datetime, withdraw: bool = False, reason: str = "") -> SigningKey:
    """Sign with a new key from now on.

    Older keys stay published until everything that they signed has expired. With ``withdraw``, as
    after a leak, they are unpublished now and their tokens no longer verify.
    """
    with transaction.atomic():
        old = signing_keys.lock()
        if old is not None:
            old.retired_at, old.published_until = at, at + PUBLISHED_FOR
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


def decrypt_private_key(key: SigningKey) -> Ed25519PrivateKey:
    """The private key. Raises SigningUnavailable."""
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


def _generate(at: datetime) -> SigningKey:
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
