"""How a project's signed-in users are recognised: shown without the secret, and set."""

from typing import Any

from common.admin import dialogs, fields
from projects.models import JwtSettings, Project
from projects.sign_in.jwt_settings import LONGEST_SECRET, SignIn

SIGN_IN = ("jwks_url", "shared_secret", "issuer", "audience")


class SignInForm(dialogs.Dialog):
    """How the project's users are recognised. The secret that is stored is never shown."""

    jwks_url = fields.text(
        required=False, max_length=2000, label="Key set", help_text="The address of public keys."
    )
    shared_secret = fields.secret(
        required=False,
        max_length=LONGEST_SECRET,
        help_text="Instead of a key set. Empty: what is stored stays.",
    )
    issuer = fields.text(required=False, max_length=255)
    audience = fields.text(
        required=False, max_length=255, help_text="Everything empty: users cannot sign in."
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

    def wanted(self) -> SignIn | None:
        """What the service is told; None when nothing is filled in. The algorithms stay."""
        said = {name: self.cleaned_data[name] for name in SIGN_IN}
        if not any(said.values()):
            return None
        row = JwtSettings.objects.for_project(self.row_key).first()
        is_same_kind = row is not None and bool(row.jwks_url) == bool(said["jwks_url"])
        return SignIn(**said, algorithms=tuple(row.algorithms) if row and is_same_kind else ())


DIALOG = dialogs.describe(
    "Sign-in of users",
    "Whose tokens open /billing/* for this project.",
    submit="Save",
    form=SignInForm,
)


def told(project: Project) -> str:
    """In one line; nothing when users cannot sign in."""
    found = JwtSettings.objects.for_project(project).first()
    if found is None:
        return ""
    how = found.jwks_url or "a shared secret"
    return f"{how}, by {found.issuer} for {found.audience} ({', '.join(found.algorithms)})"
