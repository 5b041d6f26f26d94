"""Requests that need no credential: the project is named, and shows this to everybody."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from projects.errors import TokenRequired
from projects.keys.credentials import PublicCredential, UserCredential
from projects.keys.selectors import projects
from projects.sign_in.api.user_authentication import PROJECT, identify


class PublicAuthentication(BaseAuthentication):
    """The signed-in user if the request has a token; else the project in the header, which must
    show its plans to everybody. A token that is sent is verified."""

    def authenticate(self, request: Request) -> tuple[None, UserCredential | PublicCredential]:
        if "Authorization" in request.headers or PROJECT not in request.headers:
            return None, identify(request)
        project_id = request.headers[PROJECT].strip()
        return None, PublicCredential(projects.get_with_public_plans(project_id))

    def authenticate_header(self, request: Request) -> str:
        return TokenRequired.challenge


class PathAuthentication(BaseAuthentication):
    """The project in the path, which must show its plans to everybody. No header is read."""

    def authenticate(self, request: Request) -> tuple[None, PublicCredential]:
        project_id = request.parser_context["kwargs"]["project_id"]
        return None, PublicCredential(projects.get_with_public_plans(project_id))
