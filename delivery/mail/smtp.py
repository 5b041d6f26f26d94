"""Django's SMTP backend, which says when the content of a message begins to leave."""

import smtplib
from collections.abc import Callable
from typing import Any

from django.core.mail.backends.smtp import EmailBackend


class TrackedConnection:
    """Part of a connection: before ``DATA`` nothing of a message has left, after it nobody can
    know what the server has done with it."""

    before_data: Callable[[], None] | None = None
    has_begun_data = False

    def data(self, msg: Any) -> Any:
        if self.before_data is not None:
            self.before_data()
        self.has_begun_data = True
        return super().data(msg)  # type: ignore[misc]  # the class beside this one has it


class TrackedSmtp(TrackedConnection, smtplib.SMTP):
    pass


class TrackedSmtpSsl(TrackedConnection, smtplib.SMTP_SSL):
    pass


class TrackedSmtpBackend(EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return TrackedSmtpSsl if self.use_ssl else TrackedSmtp
