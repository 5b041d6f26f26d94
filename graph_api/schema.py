"""The schema: what a query can begin with."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import strawberry
from django.db.models import Model, QuerySet
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from common.api.pagination import DEFAULT_LIMIT
from common.ids import is_id
from entitlements.decisions.api.check import CheckSerializer
from entitlements.decisions.selectors import decisions
from entitlements.resolution.decision import Question
from graph_api.arguments import (
    FromArgument,
    IdArgument,
    StatusArgument,
    TextArgument,
    ToArgument,
    UserIdArgument,
    checked,
)
from graph_api.connections import (
    After,
    First,
    GraphConnection,
    PageRequest,
    connection,
    page_of,
)
from graph_api.limits import QueryLimits
from graph_api.reads import reads, scopes_by_field
from graph_api.request import QueryInfo
from graph_api.scalars import SCALARS
from graph_api.selections import fields_of_nodes, fields_of_object
from graph_api.types import customers as customer_nodes
from graph_api.types import entitlements as entitlement_nodes
from graph_api.types import invoices as invoice_nodes
from graph_api.types import payments as payment_nodes
from graph_api.types import shipments as shipment_nodes
from graph_api.types import subscriptions as subscription_nodes
from graph_api.types import usage as usage_nodes
from graph_api.types.customers import CustomerConnection, CustomerNode
from graph_api.types.entitlements import DecisionNode, EntitlementsNode
from graph_api.types.invoices import InvoiceConnection, InvoiceNode
from graph_api.types.payments import PaymentConnection, PaymentNode
from graph_api.types.shipments import ShipmentInvoice
from graph_api.types.subscriptions import SubscriptionConnection, SubscriptionNode
from graph_api.types.usage import UsageNode, UsageRecordConnection
from projects.customers import selectors as stored_customers
from projects.customers.api import CustomerFilterSerializer
from projects.keys.scopes import KeyScope
from usage.records.api.records import RecordPagination

RowT = TypeVar("RowT", bound=Model)
NodeT = TypeVar("NodeT")
Nodes = Callable[[Sequence[RowT]], Sequence[NodeT]]
OwnId = Annotated[strawberry.ID, strawberry.argument(name="id")]
GroupByArgument = Annotated[
    str | None, strawberry.argument(description="Also by `hour`, `day` or `month`.")
]


@strawberry.type(description="Reads of the project whose key is sent.")
class Query:
    @reads(KeyScope.CUSTOMERS_READ)
    def customers(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        email: TextArgument = None,
    ) -> CustomerConnection | None:
        """The project's customers."""
        filters = checked(CustomerFilterSerializer, email=email)
        rows = stored_customers.of(info.context.project, **filters)
        return _connection(rows, customer_nodes.nodes, PageRequest(first, after))

    @reads(KeyScope.CUSTOMERS_READ)
    def customer(self, info: QueryInfo, user_id: strawberry.ID) -> CustomerNode | None:
        """The customer with your id of the user, or with `cus_…`. Null without one."""
        values = checked(entitlement_nodes.UserSerializer, user_id=user_id)
        row = stored_customers.find(project=info.context.project, **values)
        return None if row is None else customer_nodes.nodes([row])[0]

    @reads(KeyScope.SUBSCRIPTIONS_READ)
    def subscriptions(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        user_id: UserIdArgument = None,
        product: IdArgument = None,
        status: StatusArgument = None,
    ) -> SubscriptionConnection | None:
        """The project's subscriptions, ended ones too."""
        rows = subscription_nodes.listing(
            info, fields_of_nodes(info), user_id=user_id, product=product, status=status
        )
        return _connection(rows, subscription_nodes.nodes, PageRequest(first, after))

    @reads(KeyScope.SUBSCRIPTIONS_READ)
    def subscription(self, info: QueryInfo, row_id: OwnId) -> SubscriptionNode | None:
        """The subscription with this id. Null without one."""
        rows = subscription_nodes.listing(info, fields_of_object(info))
        return _one(rows, subscription_nodes.nodes, row_id=row_id, prefix="sub")

    @reads(KeyScope.INVOICES_READ)
    def invoices(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        user_id: UserIdArgument = None,
        subscription: IdArgument = None,
        status: StatusArgument = None,
    ) -> InvoiceConnection | None:
        """The project's invoices at Stripe."""
        rows = invoice_nodes.listing(
            info, fields_of_nodes(info), user_id=user_id, subscription=subscription, status=status
        )
        return _connection(rows, invoice_nodes.nodes, PageRequest(first, after))

    @reads(KeyScope.INVOICES_READ)
    def invoice(self, info: QueryInfo, row_id: OwnId) -> InvoiceNode | None:
        """The invoice at Stripe with our id. Null without one."""
        rows = invoice_nodes.listing(info, fields_of_object(info))
        return _one(rows, invoice_nodes.nodes, row_id=row_id, prefix="inv")

    @reads(KeyScope.PAYMENTS_READ)
    def get_invoice(self, info: QueryInfo, shipment_id: strawberry.ID) -> ShipmentInvoice | None:
        """The newest payment whose metadata has this `shipment_id`. Null without one."""
        return shipment_nodes.find(info, shipment_id=shipment_id)

    @reads(KeyScope.PAYMENTS_READ)
    def payments(
        self,
        info: QueryInfo,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        user_id: UserIdArgument = None,
        status: StatusArgument = None,
        reference: TextArgument = None,
    ) -> PaymentConnection | None:
        """The project's payments."""
        rows = payment_nodes.listing(
            info, fields_of_nodes(info), user_id=user_id, status=status, reference=reference
        )
        return _connection(rows, payment_nodes.nodes, PageRequest(first, after))

    @reads(KeyScope.PAYMENTS_READ)
    def payment(self, info: QueryInfo, row_id: OwnId) -> PaymentNode | None:
        """The payment with this id. Null without one."""
        rows = payment_nodes.listing(info, fields_of_object(info))
        return _one(rows, payment_nodes.nodes, row_id=row_id, prefix="pay")

    @reads(KeyScope.ENTITLEMENTS_READ)
    def entitlements(self, info: QueryInfo, user_id: strawberry.ID) -> EntitlementsNode | None:
        """The decisions about all features of a user. An unknown user has only the free tier."""
        values = checked(entitlement_nodes.UserSerializer, user_id=user_id)
        return entitlement_nodes.node(
            decisions.entitlements_of(project=info.context.project, at=info.context.at, **values)
        )

    @reads(KeyScope.ENTITLEMENTS_READ)
    def check(self, info: QueryInfo, user_id: strawberry.ID, feature: str) -> DecisionNode | None:
        """May this user use this feature? An unknown user or feature is a denial with a reason."""
        values = checked(CheckSerializer, user_id=user_id, feature=feature)
        return entitlement_nodes.check(info, Question(**values))

    @reads(KeyScope.USAGE_READ)
    def usage(
        self,
        info: QueryInfo,
        user_id: strawberry.ID,
        meter: str,
        since: FromArgument = None,
        until: ToArgument = None,
        group_by: GroupByArgument = None,
    ) -> UsageNode | None:
        """A user's usage of one meter in a time range; without one, in this month."""
        return usage_nodes.read(
            info, user_id=user_id, meter=meter, since=since, until=until, group_by=group_by
        )

    @reads(KeyScope.USAGE_READ)
    def usage_records(
        self,
        info: QueryInfo,
        user_id: strawberry.ID,
        meter: str,
        first: First = DEFAULT_LIMIT,
        after: After = None,
        since: FromArgument = None,
        until: ToArgument = None,
    ) -> UsageRecordConnection | None:
        """A user's records of one meter, voided ones too, newest use first."""
        rows = usage_nodes.list_records(
            info, user_id=user_id, meter=meter, since=since, until=until
        )
        page = PageRequest(first, after, RecordPagination())
        return _connection(rows, usage_nodes.record_nodes, page)


class GraphSchema(strawberry.Schema):
    """Strawberry's schema without its log of errors, which repeats what callers send."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing: ``graph_api.answers`` logs errors that are our own."""


SCOPES = scopes_by_field([Query, CustomerNode, SubscriptionNode, InvoiceNode, PaymentNode])
schema = GraphSchema(
    Query,
    config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    extensions=[lambda: QueryLimits(SCOPES)],
)


def _connection(
    rows: QuerySet[RowT], nodes: Nodes[RowT, NodeT], request: PageRequest
) -> GraphConnection[NodeT]:
    page = page_of(rows, request)
    return connection(page, nodes(page.rows), request)


def _one(
    rows: QuerySet[RowT], nodes: Nodes[RowT, NodeT], *, row_id: str, prefix: str
) -> NodeT | None:
    """The row with this id; None without one, also for an id of another project."""
    row = rows.filter(pk=row_id).first() if is_id(row_id, prefix) else None
    return None if row is None else nodes([row])[0]
