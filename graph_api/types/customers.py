"""Customers, with what they have, pay and use."""

from collections.abc import Sequence

import strawberry

from billing.models import Invoice, Payment, Subscription
from common.api.pagination import DEFAULT_LIMIT
from graph_api.arguments import FromArgument, StatusArgument, ToArgument
from graph_api.bodies import body_type
from graph_api.connections import After, First, GraphConnection, PageRequest
from graph_api.peers import Peers
from graph_api.reads import reads
from graph_api.request import QueryInfo
from graph_api.types import entitlements as entitlement_nodes
from graph_api.types import invoices as invoice_nodes
from graph_api.types import payments as payment_nodes
from graph_api.types import subscriptions as subscription_nodes
from graph_api.types import usage as usage_nodes
from graph_api.types.entitlements import EntitlementsNode
from graph_api.types.invoices import InvoiceConnection
from graph_api.types.payments import PaymentConnection
from graph_api.types.subscriptions import SubscriptionConnection
from graph_api.types.usage import UsageNode
from projects import representation
from projects.keys.scopes import KeyScope
from projects.models import Customer
from projects.representation import CustomerBody


@body_type(CustomerBody, name="Customer")
class CustomerNode:
    row: strawberry.Private[Customer]
    body: strawberry.Private[CustomerBody]
    peers: strawberry.Private[Peers[Customer]]

    @reads(KeyScope.SUBSCRIPTIONS_READ)
    def subscriptions(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        status: StatusArgument = None,
    ) -> SubscriptionConnection | None:
        """The customer's subscriptions, ended ones too."""
        page = PageRequest(first, after)
        return self.peers.read(
            info, lambda rows: subscription_nodes.of_customers(info, rows, page, status=status)
        )[self.row.pk]

    @reads(KeyScope.INVOICES_READ)
    def invoices(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        status: StatusArgument = None,
    ) -> InvoiceConnection | None:
        """The customer's invoices at Stripe."""
        page = PageRequest(first, after)
        return self.peers.read(
            info,
            lambda rows: invoice_nodes.of_parents(
                info, page, parent="customer_id", parents=rows, status=status
            ),
        )[self.row.pk]

    @reads(KeyScope.PAYMENTS_READ)
    def payments(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        status: StatusArgument = None,
    ) -> PaymentConnection | None:
        """The customer's payments."""
        page = PageRequest(first, after)
        return self.peers.read(
            info, lambda rows: payment_nodes.of_customers(info, rows, page, status=status)
        )[self.row.pk]

    @reads(KeyScope.ENTITLEMENTS_READ)
    def entitlements(self, info: QueryInfo) -> EntitlementsNode | None:
        """The decisions about all features of the customer."""
        return self.peers.read(info, lambda rows: entitlement_nodes.of_customers(info, rows))[
            self.row.pk
        ]

    @reads(KeyScope.USAGE_READ)
    def usage(
        self, info: QueryInfo, meter: str, since: FromArgument = None, until: ToArgument = None
    ) -> UsageNode | None:
        """The customer's usage of one meter in a time range; without one, in this month."""
        return self.peers.read(
            info,
            lambda rows: usage_nodes.of_customers(
                info, rows, meter=meter, since=since, until=until
            ),
        )[self.row.pk]


CustomerConnection = GraphConnection[CustomerNode]


def nodes(rows: Sequence[Customer]) -> list[CustomerNode]:
    """The nodes of customers that were read together."""
    peers = Peers(rows)
    return [CustomerNode(row=row, body=representation.customer(row), peers=peers) for row in rows]


def of_rows(rows: Sequence[Payment | Invoice | Subscription]) -> dict[str, CustomerNode]:
    """The customers of rows that have them loaded, by id."""
    customers = {row.customer_id: row.customer for row in rows}
    return {node.row.pk: node for node in nodes(list(customers.values()))}
