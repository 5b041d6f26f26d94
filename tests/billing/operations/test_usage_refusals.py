"""``usage.refused`` has a version that is not older than an earlier event's."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.operations import usage_refusals
from events.models import OutboxEvent
from projects.customers import selectors as customers
from projects.models import Customer, Project
from tests.factories.projects import ProjectFactory
from tests.factories.usage import NOW, MeterFactory
from usage.models import Record
from usage.models.record import Forwarding
from usage.records import recording
from usage.records.recording import UsageEntry
from usage.reporting.forwarding import ForwardingResult

pytestmark = pytest.mark.django_db


def result(project: Project, user_id: str, outcome: Forwarding) -> ForwardingResult:
    entry = UsageEntry(user_id, "calls", 5)
    (recorded,) = recording.record(project=project, entries=[entry], at=NOW)
    record = Record.objects.for_project(project).get(id=recorded.id)
    return ForwardingResult(record, outcome, "No such customer.")


def test_only_customers_whose_usage_is_refused_are_locked_in_one_order(project: Project) -> None:
    other = ProjectFactory.create()
    for each in (project, other):
        MeterFactory.create(project=each, code="calls")
    refused, reported = Forwarding.REFUSED, Forwarding.REPORTED
    settled = [
        result(other, "cleo", refused),
        result(project, "bob", refused),
        result(project, "ada", refused),
        result(project, "dan", reported),
    ]
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        usage_refusals.lock_customers(settled=settled, ended=[])
        usage_refusals.lock_customers(settled=settled[3:], ended=[])
    assert len(queries) == 2, "one statement for each project with refused usage"
    assert all("FOR NO KEY UPDATE" in query["sql"] for query in queries)
    assert not any(settled[3].record.customer_id in query["sql"] for query in queries)
    first, second = (query["sql"] for query in queries)
    by_project = {each.pk: each for each in (project, other)}
    assert [min(by_project) in first, max(by_project) in second] == [True, True]


def test_the_event_has_the_version_of_the_locked_customer(project: Project) -> None:
    MeterFactory.create(project=project, code="calls")
    settled = [result(project, "ada", Forwarding.REFUSED)]
    customer = Customer.objects.for_project(project).get()
    with transaction.atomic():
        locked = customers.lock(project_id=project.pk, customer_id=customer.pk)
        version = customers.raise_version(locked)
    with transaction.atomic():
        usage_refusals.lock_customers(settled=settled, ended=[])
        usage_refusals.record_events(settled=settled, ended=[], at=NOW)
    event = OutboxEvent.objects.for_project(project).get(type="usage.refused")
    assert (event.customer_id, event.version) == (customer.pk, version)
