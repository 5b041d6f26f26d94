"""Find payments of shipments: intents that name one in their metadata."""

from billing.models import Payment
from billing.models.payment import PaymentType
from projects.models import Project

SHIPMENT = "shipment_id"
"""The key of the metadata."""


def find_newest(*, project: Project, shipment_id: str) -> Payment | None:
    """The newest payment of the type ``intent`` whose metadata names the shipment; None without
    one."""
    rows = Payment.objects.for_project(project).filter(
        type=PaymentType.INTENT, metadata__contains={SHIPMENT: shipment_id}
    )
    return rows.order_by("-pk").first()
