"""The dialogs of the console about endpoints and deliveries."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError

from common.admin import dialogs, fields

EVERYTHING, FAILED = "everything", "failed"


class EnableForm(dialogs.Dialog):
    skip_missed = fields.flag(
        help_text="Leave out all events that were not delivered yet. Without it the endpoint gets "
        "everything that happened meanwhile."
    )


class ReplayForm(dialogs.Dialog):
    """Which events are sent again."""

    events = fields.choice(
        [
            (FAILED, "Those whose deliveries have failed for good"),
            (EVERYTHING, "Everything, delivered or not"),
        ]
    )
    since = fields.moment(help_text="Recorded from this time on. Empty: all that are kept.")

    def clean_since(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["since"]
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC)

    def clean(self) -> dict[str, Any] | None:
        values: dict[str, Any] | None = super().clean()
        if values and values.get("events") == EVERYTHING and not values.get("since"):
            raise ValidationError("Say since when everything is sent again.")
        return values


ENABLE = dialogs.describe(
    "Enable endpoint",
    "Deliveries go on where they stopped.",
    submit="Enable",
    form=EnableForm,
)
DISABLE = dialogs.describe(
    "Disable endpoint",
    "Nothing is sent until somebody enables it. Its place in the log stays, so nothing is lost "
    "for as long as events are kept.",
    submit="Disable",
    keep="Keep it enabled",
)
SEND_TEST = dialogs.describe(
    "Send a test event",
    "One webhook_endpoint.tested event is sent once, even if the endpoint is disabled.",
    submit="Send test",
)
CHECK = dialogs.describe(
    "Check the endpoint",
    "Eight requests are sent: correct, repeated, of an unknown type, forged and old ones. The "
    "receiver has to refuse the forged and the old ones; the grade says how it did.",
    submit="Check",
)
REPLAY = dialogs.describe(
    "Send events again",
    "Events are sent in order, with the ids that they have, beside what happens now. Receivers "
    "that drop repeated ids drop what they have.",
    submit="Send again",
    form=ReplayForm,
)
CANCEL_REPLAYS = dialogs.describe(
    "Cancel the running replay",
    "What it has not sent yet is canceled.",
    submit="Cancel the replay",
    keep="Let it run",
)
DELETE = dialogs.describe(
    "Delete endpoint",
    "What waits is canceled, and nothing more is sent. It cannot be taken back: the project has "
    "to add a new endpoint, with a new secret.",
    submit="Delete",
    keep="Keep endpoint",
)
SEND_AGAIN = dialogs.describe(
    "Send again",
    "A delivery that waits is tried at once. Of one that has ended a new delivery is made; the "
    "event keeps its id.",
    submit="Send again",
)
