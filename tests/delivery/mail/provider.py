"""A mail backend that fails like a provider's API."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class Backend(BaseEmailBackend):
    """Raises what a test has put here; without an error the mail is sent."""

    error: ClassVar[Exception | None] = None
    sent: ClassVar[list[Any]] = []

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        if self.error is not None:
            raise self.error
        self.sent.extend(email_messages)
        return len(email_messages)
