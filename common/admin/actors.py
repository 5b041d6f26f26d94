"""The name of a console user in the audit trail."""

from django.http import HttpRequest


def actor(request: HttpRequest) -> str:
    return f"operator:{request.user.get_username()}"
