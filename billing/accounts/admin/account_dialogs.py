"""The forms and dialogs that connect a Stripe account and change its keys."""

from typing import Any

from common.admin import dialogs, fields
from projects.models import Project


class KeyForm(dialogs.Dialog):
    secret_key = fields.secret(help_text="sk_… or rk_…, of the same Stripe account.")


class ConnectForm(dialogs.Dialog):
    project = fields.choice(help_text="A project without products.")
    secret_key = fields.secret(
        help_text="sk_… or rk_…. It is stored encrypted and never shown again."
    )
    publishable_key = fields.text(
        required=False, max_length=255, help_text="pk_…, for Stripe.js in the project's front end."
    )
    signing_secret = fields.secret(
        required=False, help_text="whsec_…, if the webhook endpoint exists at Stripe already."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        free = Project.objects.filter(own_stripe_account=None, suspended_at__isnull=True)
        self.fields["project"].choices = [
            (project.pk, f"{project} ({project.mode})") for project in free
        ]


class SigningSecretForm(dialogs.Dialog):
    signing_secret = fields.secret(help_text="whsec_…: the new secret that Stripe shows.")


class PublishableKeyForm(dialogs.Dialog):
    publishable_key = fields.text(
        max_length=255, help_text="pk_…, of the same account and mode. Front ends get it."
    )


CONNECT = dialogs.describe(
    "Connect a project's own Stripe account",
    "The project sells through it from now on. Tollgate calls Stripe with the key first.",
    submit="Connect",
    form=ConnectForm,
)
AGAIN = dialogs.describe(
    "Try again now",
    "Sends the failed requests again at once, and checks the key's permissions.",
    submit="Try again now",
)
ROTATE = dialogs.describe(
    "Replace the secret key",
    "Tollgate calls Stripe with the key first. It must belong to the same account.",
    submit="Replace",
    form=KeyForm,
    keep="Keep the key",
)
ADD_SECRET = dialogs.describe(
    "Add a signing secret",
    "Events that are signed with it are accepted too. Besides it only the previous secret "
    "is accepted.",
    submit="Add",
    form=SigningSecretForm,
)
SET_PUBLISHABLE = dialogs.describe(
    "Set the publishable key",
    "Front ends get it at once. It is no secret: Stripe.js needs it in the browser.",
    submit="Set",
    form=PublishableKeyForm,
)
