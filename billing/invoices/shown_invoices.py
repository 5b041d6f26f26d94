"""Record ``invoice.updated`` for invoices that show an object since that was stored.

An invoice's body names its subscription and its payments, which may be stored after it. That
changes nothing in the invoice's own row.
"""

from collections.abc import Collection
from datetime import datetime

from billing import representation
from billing.models import Invoice
from billing.representation.invoices import InvoiceBody
from billing.sync.changes import record_shown
from common import prepared_relations
from common.prepared_queries import Parameter, PreparedQuery, is_any
from events.catalog import EventType
from projects.models import Customer

RELATIONS = ("lines", "payments", "credit_notes")
"""What the body shows beside the row."""

Bodies = list[tuple[Invoice, InvoiceBody]]

_INVOICES = PreparedQuery(
    lambda: (
        Invoice.objects.for_project(Parameter("project_id"))
        .filter(is_any("id", "ids"))
        .order_by("id")
    )
)


def bodies_before(invoice_ids: Collection[str], *, customer: Customer) -> Bodies:
    """These invoices of the customer, and their bodies before they are linked. Four queries."""
    invoices = _INVOICES.rows(project_id=customer.project_id, ids=sorted(set(invoice_ids)))
    prepared_relations.load(invoices, *RELATIONS)
    for invoice in invoices:
        invoice.customer = customer
    return [(invoice, representation.invoice(invoice)) for invoice in invoices]


def record_changes(bodies: Bodies, *, customer: Customer, at: datetime) -> None:
    """Record the invoices whose bodies have changed, with the customer's newest version."""
    record_shown(
        bodies,
        customer=customer,
        render=representation.invoice,
        event_type=EventType.INVOICE_UPDATED,
        at=at,
    )
