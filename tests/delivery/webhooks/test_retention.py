"""Old deliveries go by the month, deleted endpoints later, and erased people's answers at once."""

from datetime import timedelta

import pytest

from delivery.models import WebhookAttempt, WebhookCheck, WebhookEndpoint, WebhookReplay
from delivery.webhooks import checks, endpoints, manual, retention
from events.log import sequencer
from projects.models import Customer, Project
from tests.delivery.sender.receivers import receiving
from tests.delivery.webhooks.dispatching import Dispatching, attempts, endpoint_at, states
from tests.events.log.recording import record
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


def test_a_deleted_endpoint_goes_with_all_that_is_left_of_it(
    dispatching: Dispatching, project: Project
) -> None:
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        kept, _ = endpoint_at(receiver, project)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    current = WebhookEndpoint.objects.for_project(project).get(pk=row.pk)
    manual.replay(
        endpoint=current, after=0, until=None, failed_only=False, actor="test", at=dispatching.at
    )
    checks.plan(endpoint=current, actor="test", at=dispatching.at)
    endpoints.delete(endpoint=current, actor="test", at=dispatching.at)
    retention.drop_old(at=dispatching.at + timedelta(days=29))
    assert states(row)
    retention.drop_old(at=dispatching.at + timedelta(days=91))
    left = WebhookEndpoint.objects.for_project(project).values_list("pk", flat=True)
    assert list(left) == [kept.pk]
    assert states(row) == []
    assert not WebhookReplay.objects.for_project(project).exists()
    assert not WebhookCheck.objects.for_project(project).exists()


def test_answers_about_an_erased_customer_are_blanked(
    dispatching: Dispatching, project: Project
) -> None:
    customer = CustomerFactory.create(project=project, user_id="ada")
    with receiving() as receiver:
        row, _ = endpoint_at(receiver, project)
        record(project, customer.pk, 1)
        record(project, "cus_1", 1)
        sequencer.run()
        dispatching.settle()
    Customer.objects.for_project(project).update(deleted_at=dispatching.at)
    retention.drop_old(at=dispatching.at + timedelta(hours=1))
    bodies = {each.customer_id: bytes(each.response_body) for each in attempts(row)}
    assert bodies == {customer.pk: b"", "cus_1": b"ok"}
    assert WebhookAttempt.objects.for_project(project).count() == 2
