"""Who acts in the console, as the audit trail names them."""

from django.http import HttpRequest


def actor(request: HttpRequest) -> str:
    return f"operator:{request.user.get_username()}"
