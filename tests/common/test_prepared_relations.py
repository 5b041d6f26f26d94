"""Rows below a row are read with one prepared query each, and found wherever Django has them."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice, InvoiceLine, Payment
from common import prepared_relations
from common.prepared_relations import rows_of
from tests.shop import Shop


@pytest.fixture
def invoices(shop: Shop, drain: Callable[[], None]) -> list[Invoice]:
    prices = [shop.price(shop.product(name)) for name in ("Basic", "Plus")]
    for price in prices:
        shop.subscribe(shop.buyer(f"buyer-{price.pk}"), price)
    drain()
    return list(Invoice.objects.for_project(shop.project).order_by("id"))


def test_they_are_djangos_rows_in_djangos_order(invoices: list[Invoice]) -> None:
    expected = [[line.pk for line in invoice.lines.all()] for invoice in invoices]
    with CaptureQueriesContext(connection) as queries:
        prepared_relations.load(invoices, "lines", "payments")
        prepared_relations.load(invoices, "lines")
        read = [[line.pk for line in rows_of(invoice, "lines")] for invoice in invoices]
        assert all(line.invoice is row for row in invoices for line in rows_of(row, "lines"))
    assert read == expected
    assert all(read)
    assert len(queries) == 2


def test_without_loading_djangos_prefetch_is_used(shop: Shop, invoices: list[Invoice]) -> None:
    rows = list(Invoice.objects.for_project(shop.project).prefetch_related("lines"))
    with CaptureQueriesContext(connection) as queries:
        assert all(rows_of(row, "lines") for row in rows)
    assert len(queries) == 0


def test_copies_of_a_row_share_what_was_read(shop: Shop, invoices: list[Invoice]) -> None:
    payment = Payment.objects.for_project(shop.project).earliest("id")
    copies = [payment, Payment.objects.for_project(shop.project).get(pk=payment.pk)]
    prepared_relations.load(copies, "disputes")
    assert [rows_of(copy, "disputes") for copy in copies] == [[], []]


def test_a_relation_is_read_again_after_a_change(invoices: list[Invoice]) -> None:
    loaded, other = invoices
    prepared_relations.load([loaded], "lines")
    for invoice in (loaded, other):
        assert len(rows_of(invoice, "lines")) == 1
        InvoiceLine.objects.for_project(invoice.project_id).filter(invoice=invoice).delete()
        prepared_relations.reload(invoice, "lines")
        assert rows_of(invoice, "lines") == []


def test_another_projects_rows_are_not_found(invoices: list[Invoice]) -> None:
    """To name an invoice is not enough."""
    stranger = Invoice(pk=invoices[0].pk, project_id="prj_another")
    prepared_relations.load([stranger], "lines")
    assert rows_of(stranger, "lines") == []
