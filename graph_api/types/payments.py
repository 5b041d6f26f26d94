"""Payments with their refunds, disputes and fraud warnings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from django.db.models import QuerySet

from billing import representation
from billing.models import Payment
from billing.payments.api.payments import PaymentFilterSerializer
from billing.payments.selectors import payments as stored
from billing.representation.payments import PaymentBody
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

RELATIONS = {
    "refunds": "refunds",
    "disputes": "disputes",
    "fraudWarnings": "fraud_warnings",
    "invoiceId": "invoice_payments",
}


@body_type(PaymentBody, name="Payment")
class PaymentNode:
    row: strawberry.Private[Payment]
    body: strawberry.Private[PaymentBody]
    peers: strawberry.Private[Peers[Payment]]

    @reads(KeyScope.CUSTOMERS_READ)
    def customer(
        self, info: QueryInfo
    ) -> Annotated["CustomerNode", strawberry.lazy("graph_api.types.customers")] | None:
        """The customer who pays."""
        from graph_api.types import customers  # noqa: PLC0415  # each type names the other

        return self.peers.read(info, customers.of_rows)[self.row.customer_id]


PaymentConnection = GraphConnection[PaymentNode]


def nodes(rows: Sequence[Payment]) -> list[PaymentNode]:
    """The nodes of payments that were read together."""
    peers = Peers(rows)
    return [PaymentNode(row=row, body=representation.payment(row), peers=peers) for row in rows]


def listing(info: QueryInfo, selected: set[str], **arguments: Any) -> QuerySet[Payment]:
    """The project's payments, with what the selected fields need. Arguments as those of REST."""
    filters = checked(PaymentFilterSerializer, **arguments)
    rows = stored.listing(project=info.context.project, **filters)
    return with_relations(rows, RELATIONS, selected)


def of_customers(
    info: QueryInfo, customers: Sequence[Customer], page: PageRequest, **arguments: Any
) -> dict[str, PaymentConnection]:
    """A page of each customer's payments, by customer."""
    rows = listing(info, fields_of_nodes(info), **arguments)
    pages = pages_of(rows, page, parent="customer_id", parents=[each.pk for each in customers])
    return connections(pages, nodes, page)
