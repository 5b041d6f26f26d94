"""``getInvoice``: the payment of a shipment, in the words of the plan that LogiSynapse wrote.

Its ``Invoice`` is a payment of the type ``intent`` whose metadata has ``shipment_id``.
"""

import strawberry
from rest_framework import serializers

from billing.models import Payment
from billing.payments.selectors import payments, shipment_payments
from billing.representation.shipments import shipment_status
from common.api.serializers import StrictSerializer
from graph_api.arguments import checked
from graph_api.request import QueryInfo
from projects.keys.scopes import KeyScope


class ShipmentSerializer(StrictSerializer):
    shipment_id = serializers.CharField(max_length=500, trim_whitespace=False)


@strawberry.type(name="Invoice", description="The newest payment of a shipment.")
class ShipmentInvoice:
    id: strawberry.ID = strawberry.field(description="Our id of the payment: `pay_…`.")
    status: str = strawberry.field(description="PENDING, PAID or FAILED.")
    stripe_client_secret: str | None = strawberry.field(
        description="Secret that Stripe.js needs to confirm the payment. Only for keys with the "
        "scope `payments:write`, null for others."
    )


def find(info: QueryInfo, *, shipment_id: str) -> ShipmentInvoice | None:
    """The newest payment of the shipment; None without one."""
    values = checked(ShipmentSerializer, shipment_id=shipment_id)
    row = shipment_payments.find_newest(project=info.context.project, **values)
    return None if row is None else _invoice(info, row)


def _invoice(info: QueryInfo, row: Payment) -> ShipmentInvoice:
    can_write = info.context.caller.allows(KeyScope.PAYMENTS_WRITE)
    return ShipmentInvoice(
        id=strawberry.ID(row.pk),
        status=shipment_status(row),
        stripe_client_secret=payments.decrypt_client_secret(row) if can_write else None,
    )
