"""Messages about users, once they are checked."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class UserEvent(StrEnum):
    CREATED = "user.created"
    UPDATED = "user.updated"
    DELETED = "user.deleted"


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A change of a user. ``details`` are the members that were sent, by the customer's field."""

    event: UserEvent
    user_id: str
    version: int
    details: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AddressedMessage:
    """A message of a shared stream, and the id or slug of the project that it names."""

    project_name: str
    message: UserMessage
