"""The people who may sign in to the console."""

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password


def ensure(*, username: str, password: str) -> bool:
    """Make an operator with every right; False when there is one of this name, left as is.

    Raises ValidationError for a weak password.
    """
    users = get_user_model().objects
    if users.filter(username=username).exists():
        return False
    validate_password(password)
    users.create_superuser(username=username, password=password)
    return True
