"""Read a project's refunds. A refund that has no Stripe id yet is left out."""

from billing.models import Refund
from common.errors import NotFound
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedQuery
from projects.customers import selectors as customers
from projects.models import Project

_REFUND = PreparedQuery(
    lambda: Refund.objects.for_project(Parameter("project_id")).filter(
        pk=Parameter("id"), stripe_id__isnull=False
    ),
    related=["payment", "payment__account", "account"],
)


def listing(
    *, project: Project, payment: str = "", user_id: str = "", status: str = ""
) -> ProjectQuerySet[Refund]:
    """Return the refunds that match every non-empty filter: one query."""
    filters = {"payment_id": payment, "status": status}
    if user_id:
        filters |= customers.owner_filter(
            project=project, user_id=user_id, path="payment__customer"
        )
    return (
        Refund.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .filter(**{name: value for name, value in filters.items() if value})
    )


def get(*, project: Project, refund_id: str) -> Refund:
    """Return one refund with its payment. Raises NotFound."""
    row = _REFUND.first(project_id=project.pk, id=refund_id)
    if row is None:
        raise NotFound("No refund with this id.")
    return row
