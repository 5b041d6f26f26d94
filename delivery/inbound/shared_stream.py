"""Messages of the company's own auth service, about the users of many projects in one stream.

A message names its project. Who may write to the stream is the operator's business; a project's
customers change only if operators have let it follow the stream.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from common.errors import NotFound
from delivery.bus.readers import StreamEntry, StreamMessage, StreamReader
from delivery.inbound import refusals, selectors, users
from delivery.inbound.user_messages import AddressedMessage
from projects.keys.selectors import projects
from projects.models import Project

CONSUMER = "inbound"
FIELD = "body"
"""The field of an entry that holds the message as JSON."""

ParseEntry = Callable[[StreamEntry], StreamMessage]
"""Reads an entry: its content is an AddressedMessage, or None for one of another type."""


def reader(stream: str, *, parse: ParseEntry, at: datetime) -> StreamReader:
    """A reader of this stream whose effects happen at ``at``. Copies of a message in several
    streams have one effect."""
    return StreamReader(
        consumer=CONSUMER, stream=stream, parse=parse, apply=partial(apply_message, at=at)
    )


def apply_message(message: StreamMessage, *, at: datetime) -> None:
    """Apply the message to its project; count it if the project does not follow the stream."""
    if message.content is None:
        return
    addressed: AddressedMessage = message.content
    project = _following(addressed.project_name)
    if project is None:
        refusals.count(addressed.project_name, at=at)
    else:
        users.apply(project=project, message=addressed.message, at=at)


def _following(name: str) -> Project | None:
    try:
        project = projects.get_by_id_or_slug(name)
    except NotFound:
        return None
    return project if selectors.settings_of(project.pk).follows_stream else None
