"""What an operator does with an endpoint."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.admin import columns, dialogs
from common.admin.actors import actor
from common.admin.decorators import action
from delivery.models import WebhookEndpoint
from delivery.webhooks import checks, endpoints, manual
from delivery.webhooks.admin.dialogs import (
    CANCEL_REPLAYS,
    CHECK,
    DELETE,
    DISABLE,
    ENABLE,
    FAILED,
    REPLAY,
    SEND_TEST,
    EnableForm,
    ReplayForm,
)
from delivery.webhooks.selectors import replays
from events.log import selectors as event_log

OPTIONS: dict[str, Any] = {"permissions": ["operate"]}


class EndpointActions:
    """Buttons of an endpoint's page. Each calls a service, with a reason."""

    row: Callable[[HttpRequest, str], Any]

    def has_operate_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_webhookendpoint")

    @action(description="Send test", url_path="send-test", icon="send", dialog=SEND_TEST, **OPTIONS)
    def send_test(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            delivery = manual.send_test(endpoint=row, **_who(request, form))
            message = "A test event is on its way: its attempts appear here."
            return dialogs.finish(request, message, to=columns.url(delivery))

        return dialogs.attempt(request, form, SEND_TEST, act)

    @action(description="Check", url_path="check", icon="fact_check", dialog=CHECK, **OPTIONS)
    def check_endpoint(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            checks.plan(endpoint=row, **_who(request, form))
            message = "The check is under way: reload this page in a few seconds."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, CHECK, act)

    @action(description="Replay", url_path="replay", icon="replay", dialog=REPLAY, **OPTIONS)
    def replay(self, request: HttpRequest, form: ReplayForm, object_id: str) -> HttpResponse:
        row: WebhookEndpoint = self.row(request, object_id)
        since = form.cleaned_data["since"]

        def act() -> HttpResponse:
            after = 0
            if since is not None:
                after = event_log.position_before(project_id=row.project_id, moment=since)
            manual.replay(
                endpoint=row,
                after=after,
                until=None,
                failed_only=form.cleaned_data["events"] == FAILED,
                **_who(request, form),
            )
            message = "The replay has begun: its progress is below."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, REPLAY, act)

    @action(
        description="Cancel replay",
        url_path="cancel-replay",
        icon="cancel",
        dialog=CANCEL_REPLAYS,
        **OPTIONS,
    )
    def cancel_replays(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row: WebhookEndpoint = self.row(request, object_id)

        def act() -> HttpResponse:
            running = replays.running([row.pk])
            for replay in running:
                manual.cancel_replay(replay=replay, **_who(request, form))
            message = "The replay is canceled." if running else "No replay is running."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, CANCEL_REPLAYS, act)

    @action(description="Enable", url_path="enable", icon="play_arrow", dialog=ENABLE, **OPTIONS)
    def enable(self, request: HttpRequest, form: EnableForm, object_id: str) -> HttpResponse:
        changes = {"enabled": True, "skip_missed": form.cleaned_data["skip_missed"]}
        return self._change(request, form, object_id, ENABLE, changes)

    @action(description="Disable", url_path="disable", icon="pause", dialog=DISABLE, **OPTIONS)
    def disable(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._change(request, form, object_id, DISABLE, {"enabled": False})

    @action(
        description="Delete", url_path="delete-endpoint", icon="delete", dialog=DELETE, **OPTIONS
    )
    def delete_endpoint(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            endpoints.delete(endpoint=row, **_who(request, form))
            to = columns.listing("delivery.webhookendpoint")
            return dialogs.finish(request, f"{row} is deleted.", to=to)

        return dialogs.attempt(request, form, DELETE, act)

    def _change(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        object_id: str,
        dialog: dict[str, Any],
        changes: dict[str, Any],
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            changed = endpoints.change(endpoint=row, changes=changes, **_who(request, form))
            message = f"{changed} is {changed.get_state_display().lower()}."
            return dialogs.finish(request, message, to=columns.url(changed))

        return dialogs.attempt(request, form, dialog, act)


def _who(request: HttpRequest, form: dialogs.Dialog) -> dict[str, Any]:
    return {
        "actor": actor(request),
        "reason": form.cleaned_data["reason"],
        "at": timezone.now(),
    }
