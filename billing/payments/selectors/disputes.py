"""Read a project's disputes."""

from billing.models import Dispute
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project


def listing(
    *, project: Project, payment: str = "", user_id: str = "", status: str = ""
) -> ProjectQuerySet[Dispute]:
    """Return the disputes that match every non-empty filter: one query."""
    filters = {"payment_id": payment, "status": status}
    if user_id:
        filters |= customers.owner_filter(
            project=project, user_id=user_id, path="payment__customer"
        )
    return Dispute.objects.for_project(project).filter(
        **{name: value for name, value in filters.items() if value}
    )


def get(*, project: Project, dispute_id: str) -> Dispute:
    """Return one dispute. Raises NotFound."""
    row = listing(project=project).filter(pk=dispute_id).first()
    if row is None:
        raise NotFound("No dispute with this id.")
    return row
