"""Stripe's invoices. Their type is called ``StripeInvoice``: ``Invoice`` is the payment of a
shipment (:mod:`graph_api.types.shipments`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from django.db.models import QuerySet

from billing import representation
from billing.invoices import selectors as stored
from billing.invoices.api import InvoiceFilterSerializer
from billing.models import Invoice, Subscription
from billing.representation.invoices import InvoiceBody
from graph_api.arguments import checked
from graph_api.bodies import body_type
from graph_api.connections import GraphConnection, PageRequest, connections, pages_of
from graph_api.peers import Peers
from graph_api.reads import reads
from graph_api.request import QueryInfo
from graph_api.selections import fields_of_nodes, with_relations
from projects.keys.scopes import KeyScope
from projects.models import Customer

if TYPE_CHECKING:
    from graph_api.types.customers import CustomerNode

RELATIONS = {"lines": "lines", "payments": "payments", "creditNotes": "credit_notes"}


@body_type(InvoiceBody, name="StripeInvoice")
class InvoiceNode:
    row: strawberry.Private[Invoice]
    body: strawberry.Private[InvoiceBody]
    peers: strawberry.Private[Peers[Invoice]]

    @reads(KeyScope.CUSTOMERS_READ)
    def customer(
        self, info: QueryInfo
    ) -> Annotated["CustomerNode", strawberry.lazy("graph_api.types.customers")] | None:
        """The customer who is billed."""
        from graph_api.types import customers  # noqa: PLC0415  # each type names the other

        return self.peers.read(info, customers.of_rows)[self.row.customer_id]


InvoiceConnection = GraphConnection[InvoiceNode]


def nodes(rows: Sequence[Invoice]) -> list[InvoiceNode]:
    """The nodes of invoices that were read together."""
    peers = Peers(rows)
    return [InvoiceNode(row=row, body=representation.invoice(row), peers=peers) for row in rows]


def listing(info: QueryInfo, selected: set[str], **arguments: Any) -> QuerySet[Invoice]:
    """The project's invoices, with what the selected fields need. Arguments as those of REST."""
    filters = checked(InvoiceFilterSerializer, **arguments)
    rows = stored.listing(project=info.context.project, **filters)
    return with_relations(rows, RELATIONS, selected)


def of_parents(
    info: QueryInfo,
    page: PageRequest,
    *,
    parent: str,
    parents: Sequence[Customer] | Sequence[Subscription],
    **arguments: Any,
) -> dict[str, InvoiceConnection]:
    """A page of the invoices of each customer or subscription, by its id. ``parent``: the column
    that refers to it."""
    rows = listing(info, fields_of_nodes(info), **arguments)
    pages = pages_of(rows, page, parent=parent, parents=[each.pk for each in parents])
    return connections(pages, nodes, page)
