"""Subscriptions with their items."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from django.db.models import Prefetch, QuerySet

from billing import representation
from billing.models import Subscription, SubscriptionItem
from billing.representation.subscriptions import SubscriptionBody
from billing.subscriptions.api.subscriptions import SubscriptionFilterSerializer
from billing.subscriptions.selectors import subscriptions as stored
from common.api.pagination import DEFAULT_LIMIT
from graph_api.arguments import StatusArgument, checked
from graph_api.bodies import body_type
from graph_api.connections import (
    After,
    First,
    GraphConnection,
    PageRequest,
    connections,
    pages_of,
)
from graph_api.peers import Peers
from graph_api.reads import reads
from graph_api.request import QueryInfo
from graph_api.selections import fields_of_nodes, with_relations
from graph_api.types import invoices as invoice_nodes
from graph_api.types.invoices import InvoiceConnection
from projects.keys.scopes import KeyScope
from projects.models import Customer

if TYPE_CHECKING:
    from graph_api.types.customers import CustomerNode


@body_type(SubscriptionBody, name="Subscription")
class SubscriptionNode:
    row: strawberry.Private[Subscription]
    body: strawberry.Private[SubscriptionBody]
    peers: strawberry.Private[Peers[Subscription]]

    @reads(KeyScope.CUSTOMERS_READ)
    def customer(
        self, info: QueryInfo
    ) -> Annotated["CustomerNode", strawberry.lazy("graph_api.types.customers")] | None:
        """The subscriber."""
        from graph_api.types import customers  # noqa: PLC0415  # each type names the other

        return self.peers.read(info, customers.of_rows)[self.row.customer_id]

    @reads(KeyScope.INVOICES_READ)
    def invoices(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        status: StatusArgument = None,
    ) -> InvoiceConnection | None:
        """The subscription's invoices."""
        page = PageRequest(first, after)
        return self.peers.read(
            info,
            lambda rows: invoice_nodes.of_parents(
                info, page, parent="subscription_id", parents=rows, status=status
            ),
        )[self.row.pk]


SubscriptionConnection = GraphConnection[SubscriptionNode]


def nodes(rows: Sequence[Subscription]) -> list[SubscriptionNode]:
    """The nodes of subscriptions that were read together."""
    peers = Peers(rows)
    return [
        SubscriptionNode(row=row, body=representation.subscription(row), peers=peers)
        for row in rows
    ]


def listing(info: QueryInfo, selected: set[str], **arguments: Any) -> QuerySet[Subscription]:
    """The project's subscriptions, with what the selected fields need. Arguments as those of
    REST."""
    filters = checked(SubscriptionFilterSerializer, **arguments)
    rows = stored.listing(project=info.context.project, **filters)
    items = SubscriptionItem.objects.for_project(info.context.project).select_related("price")
    return with_relations(rows, {"items": Prefetch("items", queryset=items)}, selected)


def of_customers(
    info: QueryInfo, customers: Sequence[Customer], page: PageRequest, **arguments: Any
) -> dict[str, SubscriptionConnection]:
    """A page of each customer's subscriptions, by customer."""
    rows = listing(info, fields_of_nodes(info), **arguments)
    pages = pages_of(rows, page, parent="customer_id", parents=[each.pk for each in customers])
    return connections(pages, nodes, page)
