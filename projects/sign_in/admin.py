"""The sign-in dialog of a project: shown without the secret."""

from typing import Any

from common.admin import dialogs, fields
from projects.models import JwtSettings, Project
from projects.sign_in.jwt_settings import MAX_SECRET_LENGTH, SignInSettings

SIGN_IN = ("jwks_url", "shared_secret", "issuer", "audience")


class SignInForm(dialogs.Dialog):
    """How the tokens of the project's users are verified. The stored secret is never shown."""

    jwks_url = fields.text(
        required=False, max_length=2000, label="Key set", help_text="The address of the JWK set."
    )
    shared_secret = fields.secret(
        required=False,
        max_length=MAX_SECRET_LENGTH,
        help_text="Instead of a key set. Empty: the stored secret stays.",
    )
    issuer = fields.text(required=False, max_length=255)
    audience = fields.text(
        required=False, max_length=255, help_text="If all fields are empty, users cannot sign in."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = JwtSettings.objects.for_project(self.row_key).first() if self.object_id else None
        if row is not None:
            self.initial |= {
                "jwks_url": row.jwks_url,
                "issuer": row.issuer,
                "audience": row.audience,
            }

    def build_settings(self) -> SignInSettings | None:
        """The settings for the service; None when every field is empty. The algorithms stay."""
        data = {name: self.cleaned_data[name] for name in SIGN_IN}
        if not any(data.values()):
            return None
        row = JwtSettings.objects.for_project(self.row_key).first()
        is_same_kind = row is not None and bool(row.jwks_url) == bool(data["jwks_url"])
        return SignInSettings(
            **data, algorithms=tuple(row.algorithms) if row and is_same_kind else ()
        )


DIALOG = dialogs.describe(
    "Sign-in of users",
    "How tokens of signed-in users are verified on /billing/*.",
    submit="Save",
    form=SignInForm,
)


def describe(project: Project) -> str:
    """The settings in one line; empty when users cannot sign in."""
    settings = JwtSettings.objects.for_project(project).first()
    if settings is None:
        return ""
    keys = settings.jwks_url or "a shared secret"
    return (
        f"{keys}, by {settings.issuer} for {settings.audience} ({', '.join(settings.algorithms)})"
    )
