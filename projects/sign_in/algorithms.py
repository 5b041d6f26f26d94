"""Signature algorithms of users' tokens: a closed list, with the type of key that each needs.

An algorithm for public keys is never tried with a shared secret, nor the reverse.
"""

SHARED = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Minimum length of the shared secret in bytes, by algorithm."""
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
"""Key type and curve by algorithm (RFC 7518, RFC 8037)."""
ALL_ALGORITHMS = (*PUBLIC, *SHARED)
DEFAULT_PUBLIC = ("RS256", "ES256", "EdDSA")
DEFAULT_SHARED = ("HS256",)
MIN_RSA_BITS = 2048
"""Bits."""
