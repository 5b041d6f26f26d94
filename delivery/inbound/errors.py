"""Refusals of inbound messages."""

from common.errors import Conflict


class UserDeleted(Conflict):
    """The user was deleted by an earlier message; a later ``user.created`` brings them back. Send
    the messages again in the order of their versions."""

    code, title = "user-deleted", "A message has deleted this user."
