"""Verify a user's token by its project's settings.

The caller names the project. A claim must not: two tenants may use the same identity provider, and
a caller who could choose the project by a claim could choose whose keys verify the claim.
"""

from typing import Any

import jwt
from jwt.exceptions import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    InvalidTokenError,
    MissingRequiredClaimError,
)

from common.crypto import CannotDecrypt
from common.ids import is_id
from projects.errors import (
    KeysUnavailable,
    ProjectUnnamed,
    TokenAlgorithmRefused,
    TokenAudienceWrong,
    TokenClaimMissing,
    TokenExpired,
    TokenIssuerWrong,
    TokenMalformed,
    TokenNotYetValid,
    TokenRefused,
    TokenUnverified,
)
from projects.keys.credentials import UserCredential
from projects.models import JwtSettings
from projects.sign_in import jwks
from projects.sign_in import selectors as jwt_settings
from projects.sign_in.jwt_settings import shared_secret

MAX_TOKEN_LENGTH = 8192
"""Characters."""
LEEWAY_SECONDS = 30
"""Tolerance between clocks."""
MAX_USER_ID_LENGTH = 255
REQUIRED_CLAIMS = ("exp", "iss", "aud", "sub")
REFUSALS: tuple[tuple[type[Exception], type[TokenRefused], str], ...] = (
    (ExpiredSignatureError, TokenExpired, "Sign the user in again, or refresh the token."),
    (ImmatureSignatureError, TokenNotYetValid, "Check the clock of the token's issuer."),
    (InvalidAudienceError, TokenAudienceWrong, "Its aud is not the project's audience."),
    (InvalidIssuerError, TokenIssuerWrong, "Its iss is not the project's issuer."),
    (
        InvalidSignatureError,
        TokenUnverified,
        "It was altered, or not signed with the project's key.",
    ),
)
"""PyJWT's errors, ours, and the detail."""


def verify(*, project_id: str, token: str) -> UserCredential:
    """The user that the token names, in this project. Raises TokenRefused (or a subclass),
    KeysUnavailable."""
    if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise TokenMalformed(f"Send a signed JWT of at most {MAX_TOKEN_LENGTH} characters.")
    settings = jwt_settings.accepting(project_id) if is_id(project_id, "prj") else None
    if settings is None:
        raise ProjectUnnamed(
            "Send your project's id as 'Tollgate-Project: prj_…'. The project must be active and "
            "have said how its users sign in (jwt)."
        )
    claims = _claims(token, settings)
    return UserCredential(project=settings.project, user_id=_user_id(claims))


def _claims(token: str, settings: JwtSettings) -> dict[str, Any]:
    header = _header(token)
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in settings.algorithms:
        raise TokenAlgorithmRefused(f"Sign it with {' or '.join(settings.algorithms)}.")
    if "crit" in header or not isinstance(kid, str):
        raise TokenMalformed("Its header cannot be understood.")
    key = _key(settings, algorithm, kid)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED_CLAIMS)},
        )
    except (InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise _refusal(error) from error
    return claims


def _header(token: str) -> dict[str, Any]:
    try:
        return dict(jwt.get_unverified_header(token))
    except (InvalidTokenError, ValueError, TypeError, RecursionError) as error:
        raise TokenMalformed(
            "Send the signed-in user's JWT as 'Authorization: Bearer …'. A secret key is not one, "
            "and never belongs into a browser."
        ) from error


def _key(settings: JwtSettings, algorithm: str, kid: str) -> Any:
    """The key to verify with, of the type that the algorithm requires."""
    if not settings.jwks_url:
        try:
            return shared_secret(settings)
        except CannotDecrypt as error:
            raise KeysUnavailable("The stored secret cannot be read: set it again.") from error
    public_key = jwks.find(settings=settings, kid=kid)
    if public_key is None:
        raise TokenUnverified("The project's key set holds no key with the token's kid.")
    if algorithm not in public_key.algorithms:
        raise TokenAlgorithmRefused("The key that the token names is not for this algorithm.")
    return public_key.key


def _refusal(error: Exception) -> TokenRefused:
    if isinstance(error, MissingRequiredClaimError):
        return TokenClaimMissing(
            f"It needs {', '.join(REQUIRED_CLAIMS)}; {error.claim} is missing."
        )
    if isinstance(error, DecodeError) and not isinstance(error, InvalidSignatureError):
        return TokenMalformed("A part of it cannot be read.")
    for error_type, refusal, detail in REFUSALS:
        if isinstance(error, error_type):
            return refusal(detail)
    return TokenClaimMissing("One of its claims has the wrong type.")


def _user_id(claims: dict[str, Any]) -> str:
    """``sub``: the tenant's own id of its user. Raises TokenClaimMissing."""
    subject = claims["sub"]
    is_valid = (
        isinstance(subject, str)
        and 0 < len(subject) <= MAX_USER_ID_LENGTH
        and subject.isprintable()
    )
    if not is_valid or subject != subject.strip() or is_id(subject, "cus"):
        raise TokenClaimMissing(
            f"Its sub must be your id of the user: text of 1 to {MAX_USER_ID_LENGTH} characters, "
            "none of them a control character, and no id of ours."
        )
    return str(subject)
