"""Show a message as it would be written now, from a recent event of the project."""

from dataclasses import dataclass
from datetime import datetime

from delivery.mail import messages, sender
from delivery.mail.content import Content, Overtaken
from delivery.mail.kinds import NotificationKind
from delivery.mail.messages import Message, Reader
from delivery.mail.samples import SAMPLES
from delivery.models import MailSettings, Notification
from events.log import selectors as event_log
from events.models import LoggedEvent
from projects.models import Customer, Project

RECENT = 20
UNSUBSCRIBE = "https://example.com/unsubscribe"


@dataclass(frozen=True, slots=True)
class Preview:
    """``note`` says what the facts are, and whether it would be sent."""

    message: Message
    note: str


def recent_events(project: Project, kind: NotificationKind) -> list[LoggedEvent]:
    """The newest events of the project that cause such a message, newest first."""
    rows = LoggedEvent.objects.for_project(project).filter(type__in=kind.events)
    return list(rows.select_related("event").order_by("-position")[:RECENT])


def build(
    *,
    settings: MailSettings,
    project: Project,
    kind: NotificationKind,
    event_id: str,
    locale: str,
    at: datetime,
) -> Preview:
    """The message for the customer of this event; an example without one."""
    event = event_log.find(project_id=project.pk, event_id=event_id) if event_id else None
    name, content, note = "Ada Lovelace", SAMPLES[kind.name], "These facts are an example."
    if event is not None and event.type in kind.events:
        customer = Customer.objects.for_project(project).filter(pk=event.customer_id).first()
        name = customer.name if customer else ""
        content, note = _content_of(event, kind, content, at)
    message = messages.write(
        kind=kind,
        content=content,
        settings=settings,
        project_name=project.name,
        reader=Reader(name=name, locale=locale),
        unsubscribe_url=UNSUBSCRIBE if kind.is_optional else "",
    )
    return Preview(message, note)


def _content_of(
    event: LoggedEvent, kind: NotificationKind, sample: Content, at: datetime
) -> tuple[Content, str]:
    """The facts of this event, or the example if the message would be out of date."""
    row = Notification(
        project_id=event.project_id,
        source=event.pk,
        kind=kind.name,
        recipient=event.customer_id,
        subject=event.event.subject,
    )
    try:
        return sender.build_content(row, kind, at=at), f"From event {event.pk}."
    except Overtaken as reason:
        note = f"It would not be sent now ({reason.code}); these facts are an example."
        return sample, note
