"""The people who may sign in to the console."""

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.db import models, transaction

from console import roles


class Role(models.TextChoices):
    """A viewer sees, an operator also acts, an administrator also manages staff accounts."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


GROUPS = {Role.VIEWER: roles.VIEWERS, Role.OPERATOR: roles.OPERATORS}


def ensure(*, username: str, password: str, role: Role = Role.ADMINISTRATOR) -> bool:
    """Create a staff account with this role. Returns False when the name is taken.

    Raises ValidationError for a weak password.
    """
    users = get_user_model().objects
    with transaction.atomic():
        groups = roles.apply()
        if users.filter(username=username).exists():
            return False
        validate_password(password, get_user_model()(username=username))
        user = users.create_user(
            username=username,
            password=password,
            is_staff=True,
            is_superuser=role == Role.ADMINISTRATOR,
        )
        if role in GROUPS:
            user.groups.add(groups[GROUPS[role]])
    return True
