"""Send one mail, and tell surely sent, surely not sent and unknown from each other.

An error before ``DATA`` is safe to repeat. After it, only an answer of the server says what
happened: a lost connection means that nobody knows.
"""

import smtplib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from django.core.mail import EmailMultiAlternatives, get_connection

from delivery.mail.outcomes import (
    ChannelDown,
    NotificationTaken,
    Outcome,
    Refused,
    Sent,
    TryLater,
    Unknown,
)
from delivery.mail.smtp import TrackedConnection, TrackedSmtpBackend

NOT_REACHED = frozenset(
    {"ConnectTimeout", "NewConnectionError", "NameResolutionError", "AnymailConfigurationError"}
)
"""Errors before anything was sent, of requests, urllib3 and django-anymail."""
NOT_ALLOWED, TOO_MANY = frozenset({401, 402, 403}), 429
"""Answers about our account at the provider; an answer about our pace."""
MAX_CAUSES = 8
BeforeSend = Callable[[], None]
NO_MAILBOX = (b"5.1.1 ", b"5.1.6 ", b"5.1.10 ", b"5.2.1 ")
"""RFC 3463: no such mailbox, moved, accepts no mail, disabled."""


class Mailbox:
    """A connection for one run; it is opened by the first mail and again after an error."""

    def __init__(self) -> None:
        self._backend: Any = get_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._backend.close()

    def send(self, mail: EmailMultiAlternatives, *, before_send: BeforeSend) -> Outcome:
        """``before_send`` is called just before content leaves; what it raises stops the mail.

        Raises ChannelDown if no mail can be sent now.
        """
        if isinstance(self._backend, TrackedSmtpBackend):
            return self._send_by_smtp(mail, before_send)
        return self._send_by_provider(mail, before_send)

    def _send_by_smtp(self, mail: EmailMultiAlternatives, before_send: BeforeSend) -> Outcome:
        """A server may close a connection that it has had for long: a new one is tried once."""
        is_used = self._backend.connection is not None
        outcome = self._send_once(mail, before_send)
        is_dropped = self._backend.connection is None
        if is_used and is_dropped and isinstance(outcome, TryLater):
            return self._send_once(mail, before_send)
        return outcome

    def _send_once(self, mail: EmailMultiAlternatives, before_send: BeforeSend) -> Outcome:
        connection = self._open()
        connection.before_data, connection.has_begun_data = before_send, False
        try:
            self._backend.send_messages([mail])
        except smtplib.SMTPRecipientsRefused as error:
            return _outcome_of_refusal(*next(iter(error.recipients.values())))
        except smtplib.SMTPSenderRefused as error:
            self._drop()
            raise ChannelDown(f"sender_refused_{error.smtp_code}") from error
        except smtplib.SMTPDataError as error:
            return _outcome_of_refusal(error.smtp_code, error.smtp_error)
        except (UnicodeError, smtplib.SMTPNotSupportedError):
            self._drop()
            return Refused("address_not_supported")
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            name = type(error).__name__
            return Unknown(name) if connection.has_begun_data else TryLater(name)
        except NotificationTaken:
            self._drop()
            raise
        return Sent()

    def _open(self) -> TrackedConnection:
        try:
            self._backend.open()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise ChannelDown(type(error).__name__) from error
        connection: TrackedConnection = self._backend.connection
        return connection

    def _drop(self) -> None:
        """Forget the connection without a word to the server."""
        connection, self._backend.connection = self._backend.connection, None
        if connection is not None:
            connection.close()

    def _send_by_provider(self, mail: EmailMultiAlternatives, before_send: BeforeSend) -> Outcome:
        before_send()
        try:
            self._backend.send_messages([mail])
        except Exception as error:  # noqa: BLE001  # each provider's library raises its own
            return _outcome_of_provider(error)
        status = getattr(mail, "anymail_status", None)
        return Sent(str(getattr(status, "message_id", "") or "")[:255])


def _outcome_of_refusal(code: int, text: bytes | str) -> Outcome:
    """The outcome of an answer of an SMTP server that is not a yes."""
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    if code < 500:
        return TryLater(f"smtp_{code}")
    return Refused(f"smtp_{code}", has_bounced=raw.startswith(NO_MAILBOX))


def _outcome_of_provider(error: Exception) -> Outcome:
    """The outcome of an error of a backend that is not SMTP: of a provider's API, or of a file.

    Names of classes are compared, because django-anymail is not installed everywhere. Raises
    ChannelDown if the provider has not been reached, or takes no mail of ours at all.
    """
    names = {base.__name__ for cause in _causes(error) for base in type(cause).__mro__}
    name = type(error).__name__
    status = getattr(error, "status_code", None)
    if names & NOT_REACHED or status in NOT_ALLOWED:
        raise ChannelDown(f"provider_{status or name}") from error
    if "AnymailSerializationError" in names or "AnymailUnsupportedFeature" in names:
        return Refused(name)
    if "AnymailRecipientsRefused" in names:
        return Refused(name, has_bounced=True)
    if status == TOO_MANY:
        return TryLater(f"provider_{status}")
    if isinstance(status, int) and 400 <= status < 500:
        return Refused(f"provider_{status}")
    return Unknown(f"provider_{status}" if status else name)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it; urllib3 keeps the cause of a failed connection in ``reason``,
    and requests keeps that error as its first argument."""
    current: object = error
    for _ in range(MAX_CAUSES):
        if not isinstance(current, BaseException):
            return
        yield current
        first = current.args[0] if current.args else None
        current = current.__cause__ or getattr(current, "reason", None) or first
