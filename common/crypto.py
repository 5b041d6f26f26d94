"""Encryption of stored secrets: AES-256-GCM with a key ring.

A token is ``<key id>.<base64 of nonce + ciphertext>``. The *context* (``model:pk:field``) is
authenticated, so that a ciphertext copied to another row does not decrypt. The first key of
``ENCRYPTION_KEYS`` encrypts, all keys decrypt: to rotate, put a new key in front.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE = 12


class CannotDecrypt(ValueError):
    """The key was removed, or the token belongs to another row or was altered."""


def encrypt(plaintext: str, *, context: str) -> str:
    key_id, key = next(iter(settings.ENCRYPTION_KEYS.items()))
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(key).encrypt(nonce, plaintext.encode(), context.encode())
    return f"{key_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def key_id_of(token: str) -> str:
    """The id of the key that encrypted the token."""
    return token.partition(".")[0]


def decrypt(token: str, *, context: str) -> str:
    """Return the plaintext. Raises :class:`CannotDecrypt`."""
    key_id, _, body = token.partition(".")
    key = settings.ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise CannotDecrypt(f"No encryption key {key_id!r} in ENCRYPTION_KEYS.")
    try:
        sealed = base64.urlsafe_b64decode(body)
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise CannotDecrypt("The stored secret does not belong to this row.") from error
