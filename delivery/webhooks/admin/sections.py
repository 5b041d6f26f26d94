"""Tables on the pages of endpoints and deliveries."""

from collections.abc import Sequence
from datetime import datetime

from common.admin import columns
from common.admin.sections import Section
from delivery.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookCheck,
    WebhookDelivery,
    WebhookEndpoint,
)
from delivery.webhooks import check_cases
from delivery.webhooks.representation import response_text
from delivery.webhooks.selectors import checks, overviews

PHASES = ("name", "connect", "tls", "first_byte", "total")
_DELIVERY_HEADERS = [
    "Created",
    "Type",
    "State",
    "Reason",
    "Attempts",
    "Next attempt",
    "Last answer",
]


def failed_deliveries(row: WebhookEndpoint) -> Section:
    rows = overviews.newest_deliveries(row, states=[DeliveryState.FAILED])
    return _deliveries("Failed deliveries", rows, row, empty="None.", state=DeliveryState.FAILED)


def last_deliveries(row: WebhookEndpoint) -> Section:
    rows = overviews.newest_deliveries(row)
    return _deliveries("Last deliveries", rows, row, empty="Nothing was sent yet.")


def last_check(row: WebhookEndpoint) -> Section:
    """What came back for each request of the last check."""
    check = checks.newest(row)
    results = [] if check is None else check_cases.titled(check.results)
    return Section(
        title="Conformance check",
        note=_grade(check),
        headers=["Request", "Expected", "Answer", "Milliseconds", "Right"],
        rows=[
            [
                title,
                result["expected"],
                result["status"] or result["fault"].replace("_", " "),
                result["milliseconds"],
                columns.badge(
                    "yes" if result["passed"] else "no",
                    tone="success" if result["passed"] else "danger",
                ),
            ]
            for title, result in results
        ],
        empty="Nobody has checked it yet." if check is None else "The check is under way.",
        right=[3],
    )


def _grade(check: WebhookCheck | None) -> str:
    if check is None or not check.grade:
        return ""
    grade, at = check.get_grade_display(), columns.moment(check.finished_at)
    return f"{check.grade}: {grade.lower()}, {at}"


def replays(row: WebhookEndpoint) -> Section:
    return Section(
        title="Replays",
        note="the newest",
        headers=["Started", "State", "Events", "Behind", "Up to", "Done up to", "Sent", "By"],
        rows=[
            [
                columns.moment(replay.created_at),
                columns.badge(replay.state),
                "failed" if replay.failed_only else "all",
                replay.since,
                replay.until,
                replay.position,
                replay.deliveries,
                columns.code(replay.actor),
            ]
            for replay in overviews.newest_replays(row)
        ],
        right=[3, 4, 5, 6],
    )


def secrets(row: WebhookEndpoint, *, at: datetime) -> Section:
    """The secrets without their values, which only the tenant has."""
    return Section(
        title="Signing secrets",
        note="their values are shown to nobody",
        headers=["Id", "Created", "Signs"],
        rows=[
            [
                columns.code(secret.pk),
                columns.moment(secret.created_at),
                (
                    f"until {columns.moment(secret.expires_at)}"
                    if secret.expires_at
                    else "until it is replaced"
                ),
            ]
            for secret in overviews.secrets(row)
            if secret.expires_at is None or secret.expires_at > at
        ],
    )


def attempts(rows: Sequence[WebhookAttempt]) -> list[Section]:
    """The attempts of a delivery; what came back is shown as text, never as a page."""
    return [_attempt(row) for row in reversed(rows)]


def _deliveries(
    title: str,
    rows: Sequence[WebhookDelivery],
    endpoint: WebhookEndpoint,
    *,
    empty: str,
    **conditions: str,
) -> Section:
    attempts_by_delivery = overviews.last_attempts(rows)
    return Section(
        title=title,
        headers=_DELIVERY_HEADERS,
        rows=[
            [
                columns.link(row, columns.moment(row.created_at)),
                columns.code(row.event_type),
                columns.badge(row.state),
                row.reason.replace("_", " ") or columns.EMPTY,
                row.attempts,
                columns.moment(row.due_at if row.state == DeliveryState.WAITING else None),
                last_answer(attempts_by_delivery.get(row.pk)),
            ]
            for row in rows
        ],
        empty=empty,
        more=columns.listing("delivery.webhookdelivery", q=endpoint.pk, **conditions),
        right=[4],
    )


def last_answer(attempt: WebhookAttempt | None) -> str:
    """The status, or why there is none."""
    if attempt is None:
        return columns.EMPTY
    return str(attempt.status) if attempt.status is not None else attempt.fault.replace("_", " ")


def _attempt(row: WebhookAttempt) -> Section:
    milliseconds = [f"{name.replace('_', ' ')} {_milliseconds(row, name)}" for name in PHASES]
    answer = response_text(row)
    lines: list[list[object]] = [
        ["Status", columns.EMPTY if row.status is None else row.status],
        ["What went wrong", row.sentence or columns.EMPTY],
        ["Fault", row.fault.replace("_", " ") or columns.EMPTY],
        ["URL", columns.code(row.url)],
        ["Address", columns.code(row.address)],
        ["Connection", "reused" if row.is_reused else "new"],
        ["Milliseconds", ", ".join(milliseconds)],
        ["Request headers", columns.document(row.request_headers)],
        ["Body", f"{row.body_bytes:,} bytes, SHA-256 {row.body_digest}…"],
        ["Response headers", columns.document(row.response_headers)],
        ["Response", columns.block(answer) if answer else columns.EMPTY],
    ]
    if row.is_cut:
        lines.append(["", "The rest of the response was not read."])
    return Section(
        title=f"Attempt {row.number}",
        note=columns.moment(row.sent_at),
        headers=["", ""],
        rows=lines,
    )


def _milliseconds(row: WebhookAttempt, name: str) -> str:
    value = row.phases.get(name)
    return columns.EMPTY if value is None else f"{value:.1f}"
