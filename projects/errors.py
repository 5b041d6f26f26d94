"""Errors of keys and users' tokens. None of them reveals what would be accepted."""

from common.errors import DomainError, Invalid, Unauthorized, Unavailable


class ProjectSuspended(DomainError):
    """The platform's operators have suspended the project; its keys are refused meanwhile."""

    status, code, title = 403, "project-suspended", "The project is suspended."


class RateLimited(DomainError):
    """Too many requests, or too many refused ones from one address. ``Retry-After`` says in how
    many seconds the next one is allowed."""

    status, code, title = 429, "rate-limited", "Too many requests."


class TokenRefused(Unauthorized):
    """The token of a signed-in user, on ``/billing/*``."""

    code, title = "token-refused", "The token is not accepted."
    challenge = 'Bearer realm="tollgate-users", error="invalid_token"'


class TokenRequired(TokenRefused):
    code, title = "token-required", "The token of a signed-in user is required."
    challenge = 'Bearer realm="tollgate-users"'


class ProjectUnnamed(TokenRefused):
    code, title = "project-header-required", "The header Tollgate-Project is missing or wrong."


class TokenMalformed(TokenRefused):
    code, title = "token-malformed", "The token is malformed."


class TokenUnverified(TokenRefused):
    """It does not verify, or the key that it names is not in the project's key set."""

    code, title = "token-unverified", "The token's signature is not valid."


class TokenAlgorithmRefused(TokenRefused):
    code, title = "token-algorithm-refused", "The token is signed in a way that is not allowed."


class TokenExpired(TokenRefused):
    code, title = "token-expired", "The token has expired."


class TokenNotYetValid(TokenRefused):
    code, title = "token-not-yet-valid", "The token is not valid yet."


class TokenIssuerWrong(TokenRefused):
    code, title = "token-issuer-wrong", "The token has another issuer."


class TokenAudienceWrong(TokenRefused):
    code, title = "token-audience-wrong", "The token has another audience."


class TokenClaimMissing(TokenRefused):
    code, title = "token-claim-missing", "A claim of the token is missing or has the wrong type."


class KeysUnavailable(Unavailable):
    """The address of the project's key set does not answer, and no cached key set is left."""

    code, title = "keys-unavailable", "The project's public keys cannot be read."


class SignInRefused(Invalid):
    code, title = "sign-in-refused", "These sign-in settings are not valid."
