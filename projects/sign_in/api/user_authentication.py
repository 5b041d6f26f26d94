"""Authenticate ``/billing/*`` by the signed-in user's JWT and the ``Tollgate-Project`` header."""

from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from common.context import begin_tenant
from projects.errors import TokenRequired
from projects.keys.credentials import UserCredential
from projects.sign_in import user_tokens

PREFIX = "/api/v1/billing/"
PROJECT = "Tollgate-Project"


def identify(request: HttpRequest | Request) -> UserCredential:
    """The user whom the request's token names. Raises TokenRefused, KeysUnavailable."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRequired("Send the signed-in user's JWT as 'Authorization: Bearer …'.")
    project_id = request.headers.get(PROJECT, "").strip()
    user = user_tokens.verify(project_id=project_id, token=token.strip())
    begin_tenant(user.project.pk)
    return user


class UserAuthentication(BaseAuthentication):
    """``request.auth`` is the user's credential. API keys are refused here."""

    def authenticate(self, request: Request) -> tuple[None, UserCredential]:
        return None, identify(request)

    def authenticate_header(self, request: Request) -> str:
        return TokenRequired.challenge


class UserScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema describes the token."""

    target_class = "projects.sign_in.api.user_authentication.UserAuthentication"
    name = "user"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The signed-in user's own JWT, as the project's settings say. The "
            f"project's id stands in the header {PROJECT}.",
        }
