"""The project's disputes."""

from billing.models import Dispute
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project


def listing(
    *, project: Project, payment: str = "", user_id: str = "", status: str = ""
) -> ProjectQuerySet[Dispute]:
    """Those that match every filter given: one query."""
    wanted = {"payment_id": payment, "status": status}
    if user_id:
        wanted |= customers.owner_filter(project=project, user_id=user_id, path="payment__customer")
    return Dispute.objects.for_project(project).filter(
        **{name: value for name, value in wanted.items() if value}
    )


def get(*, project: Project, dispute_id: str) -> Dispute:
    """One dispute; raises NotFound."""
    row = listing(project=project).filter(pk=dispute_id).first()
    if row is None:
        raise NotFound("No dispute with this id.")
    return row
