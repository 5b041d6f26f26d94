"""A sender as a process of its own: ``python -m tests.delivery.mail.sending_process <port>``."""

import sys

import django
from django.conf import settings


def main(port: int) -> None:
    django.setup()
    settings.EMAIL_BACKEND = "delivery.mail.smtp.TrackedSmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_TIMEOUT = 60

    from delivery.mail import sender  # noqa: PLC0415  # models: Django is set up only now
    from tests.delivery.mail.notices import NOW  # noqa: PLC0415

    sender.run(at=NOW)


if __name__ == "__main__":
    main(int(sys.argv[1]))
