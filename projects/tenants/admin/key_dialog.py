"""The dialog that issues a key of a project or of one of its apps."""

from typing import Any

from common.admin import dialogs, fields
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.scopes import ALL_SCOPES, PROJECT_ONLY_SCOPES
from projects.models import App


class IssueKeyForm(dialogs.Dialog):
    name = fields.text(max_length=120, help_text="What the key is for.")
    app = fields.choice(required=False, help_text="Empty: the project itself.")
    scopes = fields.many(
        [(scope, scope) for scope in ALL_SCOPES],
        help_text="No more than it needs. An app's key cannot have "
        f"{', '.join(sorted(PROJECT_ONLY_SCOPES))}.",
    )
    expires_at = fields.moment(label="Expires", help_text="Empty: never.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = App.objects.for_project(self.row_key).filter(archived_at__isnull=True)
        self.apps = {app.pk: app for app in rows.order_by("name")}
        self.fields["app"].choices = [
            ("", "–"),
            *((app.pk, app.name) for app in self.apps.values()),
        ]

    @property
    def key_request(self) -> ApiKeyRequest:
        """The key that the valid form describes."""
        data = self.cleaned_data
        return ApiKeyRequest(
            name=data["name"],
            scopes=data["scopes"],
            app=self.apps.get(data["app"]),
            expires_at=data["expires_at"],
        )


DIALOG = dialogs.describe(
    "Issue a key", "It is shown once, in this dialog.", submit="Issue", form=IssueKeyForm
)
