"""Find the caller of a request: an API key, or on ``/billing/*`` a signed-in user."""

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import get_authorization_header

from projects.keys.api.authentication import identify
from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.sign_in.api import user_authentication

USERS = user_authentication.PREFIX


def find(request: HttpRequest) -> ProjectCredential | PlatformCredential | UserCredential | None:
    """The caller, found before Django chooses a view; None without an ``Authorization`` header.

    Raises AuthenticationFailed, TokenRefused or KeysUnavailable.
    """
    if request.path_info.startswith(USERS):
        return user_authentication.identify(request)
    header = get_authorization_header(request)  # type: ignore[arg-type]  # it reads META
    return identify(header, at=timezone.now())
