"""How a user's token may be signed: a closed list, and which kind of key each way needs.

A way that needs a public key is never tried with a shared secret, nor the other way round.
"""

SHARED = {"HS256": 32, "HS384": 48, "HS512": 64}
"""With a shared secret of at least so many bytes."""
PUBLIC: dict[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "RS512": ("RSA", ""),
    "PS256": ("RSA", ""),
    "PS384": ("RSA", ""),
    "PS512": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""With a public key of this type and curve (RFC 7518, RFC 8037)."""
ALL = (*PUBLIC, *SHARED)
USUAL_PUBLIC = ("RS256", "ES256", "EdDSA")
USUAL_SHARED = ("HS256",)
SMALLEST_RSA = 2048
"""Bits."""
