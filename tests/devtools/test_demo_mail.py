"""The demo finds a mail among others of the same file."""

from pathlib import Path

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

from devtools.demo.news import mail_to


def test_each_mail_of_a_file_is_found(tmp_path: Path) -> None:
    people = ("ada", "bob", "cleo")
    mails = [
        EmailMessage(f"For {name}", "Hello.\n", "us@example.com", [f"{name}@example.com"])
        for name in people
    ]
    EmailBackend(file_path=str(tmp_path)).send_messages(mails)
    assert len(list(tmp_path.iterdir())) == 1
    for name in people:
        mail = mail_to(f"{name}@example.com", tmp_path)
        assert mail is not None
        assert mail["Subject"] == f"For {name}"
    assert mail_to("dora@example.com", tmp_path) is None
