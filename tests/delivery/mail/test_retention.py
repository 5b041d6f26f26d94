"""Old messages are deleted, and nothing is kept about the address of an erased customer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.mail import opt_outs, retention
from delivery.mail.opt_outs import OptOutToken
from delivery.models import MailOptOut, MailSuppression, Notification
from projects.customers import selectors as customer_rows
from projects.customers import service as customers
from projects.models import Customer
from tests.delivery.mail.notices import NOW, planned, send
from tests.delivery.mail.smtp_server import SmtpServer, replies

pytestmark = pytest.mark.django_db
OLD = NOW + retention.KEPT + timedelta(days=1)


def test_old_messages_are_deleted_but_not_planned_ones(ada: Customer, smtp: SmtpServer) -> None:
    planned(ada)
    send()
    waiting = planned(ada)
    assert retention.drop_old(at=NOW) == 0
    assert retention.drop_old(at=OLD) == 1
    assert list(Notification.objects.for_project(ada.project)) == [waiting]


def test_an_erased_customers_address_is_forgotten(ada: Customer, smtp: SmtpServer) -> None:
    row = planned(ada)
    smtp.script = replies(rcpt="550 5.1.1 gone")
    send()
    opt_outs.record(OptOutToken(ada.project_id, ada.pk, "credits_low"), at=NOW)
    now = timezone.now()
    retention.drop_old(at=now)
    assert MailSuppression.objects.for_project(ada.project).count() == 1
    locked = customer_rows.lock(project_id=ada.project_id, customer_id=ada.pk)
    customers.erase(customer=locked, at=now)
    retention.drop_old(at=now)
    assert not MailSuppression.objects.for_project(ada.project).exists()
    assert not MailOptOut.objects.for_project(ada.project).exists()
    row.refresh_from_db()
    assert row.address_digest == ""
