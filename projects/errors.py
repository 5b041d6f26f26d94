"""Errors of keys and users' tokens. None of them reveals what would be accepted."""

from common.errors import DomainError, Invalid, Unauthorized, Unavailable


class ProjectSuspended(DomainError):
    """The platform's operators have stopped the project; its keys open nothing meanwhile."""

    status, code, title = 403, "project-suspended", "The project is suspended."


class TokenRefused(Unauthorized):
    """Of a signed-in user, on ``/billing/*``."""

    code, title = "token-refused", "The token is not accepted."
    challenge = 'Bearer realm="tollgate-users", error="invalid_token"'


class TokenRequired(TokenRefused):
    code, title = "token-required", "The token of a signed-in user is required."
    challenge = 'Bearer realm="tollgate-users"'


class ProjectUnnamed(TokenRefused):
    code, title = "project-header-required", "The header Tollgate-Project is missing or wrong."


class TokenMalformed(TokenRefused):
    code, title = "token-malformed", "This is not a token that could be verified."


class TokenUnverified(TokenRefused):
    """Its signature does not verify, or the key that it names is not the project's."""

    code, title = "token-unverified", "The token's signature is not the project's."


class TokenAlgorithmRefused(TokenRefused):
    code, title = "token-algorithm-refused", "The token is signed in a way that is not allowed."


class TokenExpired(TokenRefused):
    code, title = "token-expired", "The token has expired."


class TokenNotYetValid(TokenRefused):
    code, title = "token-not-yet-valid", "The token is not valid yet."


class TokenIssuerWrong(TokenRefused):
    code, title = "token-issuer-wrong", "The token was issued by somebody else."


class TokenAudienceWrong(TokenRefused):
    code, title = "token-audience-wrong", "The token is meant for somebody else."


class TokenClaimMissing(TokenRefused):
    code, title = "token-claim-missing", "The token lacks a claim, or it is of the wrong kind."


class KeysUnavailable(Unavailable):
    """The address of the project's key set gave no usable answer, and no earlier one is left."""

    code, title = "keys-unavailable", "The project's public keys cannot be read."


class SignInRefused(Invalid):
    code, title = "sign-in-refused", "Users cannot be recognised in this way."
