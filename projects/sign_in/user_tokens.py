"""Who is signed in: a user's own token, verified with what the project has said about it.

The caller names the project. An issuer and an audience do not: two tenants may use the same
identity provider, and whoever could choose the project by a claim could choose by whose keys the
claim is verified.
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

LONGEST = 8192
"""Characters of a token."""
LEEWAY = 30
"""Seconds by which clocks may differ."""
LONGEST_USER_ID = 255
REQUIRED = ("exp", "iss", "aud", "sub")
REFUSALS: tuple[tuple[type[Exception], type[TokenRefused], str], ...] = (
    (ExpiredSignatureError, TokenExpired, "Sign the user in again, or refresh the token."),
    (ImmatureSignatureError, TokenNotYetValid, "Check the clock of whoever issues the tokens."),
    (InvalidAudienceError, TokenAudienceWrong, "Its aud is not the project's audience."),
    (InvalidIssuerError, TokenIssuerWrong, "Its iss is not the project's issuer."),
    (
        InvalidSignatureError,
        TokenUnverified,
        "It was altered, or not signed with the project's key.",
    ),
)
"""What went wrong, in PyJWT's words and in ours."""


def verify(*, project_id: str, token: str) -> UserCredential:
    """The user whom the token names, of this project. Raises a TokenRefused, KeysUnavailable."""
    if not token or len(token) > LONGEST or not token.isascii():
        raise TokenMalformed(f"Send a signed JWT of at most {LONGEST} characters.")
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
        raise TokenMalformed("Its header says something that is not understood.")
    key = _key(settings, algorithm, kid)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=settings.audience,
            issuer=settings.issuer,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
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
    """The key to verify with, of the type that the algorithm needs and no other."""
    if not settings.jwks_url:
        try:
            return shared_secret(settings)
        except CannotDecrypt as error:
            raise KeysUnavailable("The stored secret cannot be read: set it again.") from error
    found = jwks.find(settings=settings, kid=kid)
    if found is None:
        raise TokenUnverified("The project's key set holds no key with the token's kid.")
    if algorithm not in found.algorithms:
        raise TokenAlgorithmRefused("The key that the token names is not for this algorithm.")
    return found.key


def _refusal(error: Exception) -> TokenRefused:
    if isinstance(error, MissingRequiredClaimError):
        return TokenClaimMissing(f"It needs {', '.join(REQUIRED)}; {error.claim} is missing.")
    if isinstance(error, DecodeError) and not isinstance(error, InvalidSignatureError):
        return TokenMalformed("A part of it cannot be read.")
    for kind, refusal, detail in REFUSALS:
        if isinstance(error, kind):
            return refusal(detail)
    return TokenClaimMissing("One of its claims is not of the kind that it has to be.")


def _user_id(claims: dict[str, Any]) -> str:
    """``sub``: the tenant's own id of its user, in no way ours."""
    said = claims["sub"]
    is_fit = isinstance(said, str) and 0 < len(said) <= LONGEST_USER_ID and said.isprintable()
    if not is_fit or said != said.strip() or is_id(said, "cus"):
        raise TokenClaimMissing(
            f"Its sub must be your id of the user: text of 1 to {LONGEST_USER_ID} characters, "
            "none of them a control character, and no id of ours."
        )
    return str(said)
