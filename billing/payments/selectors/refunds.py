"""The project's refunds. One that Stripe does not know yet is not on show."""

from billing.models import Refund
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.customers import selectors as customers
from projects.models import Project


def listing(
    *, project: Project, payment: str = "", user_id: str = "", status: str = ""
) -> ProjectQuerySet[Refund]:
    """Those that match every filter given: one query."""
    wanted = {"payment_id": payment, "status": status}
    if user_id:
        wanted |= customers.owner_filter(project=project, user_id=user_id, path="payment__customer")
    return (
        Refund.objects.for_project(project)
        .filter(stripe_id__isnull=False)
        .filter(**{name: value for name, value in wanted.items() if value})
    )


def get(*, project: Project, refund_id: str) -> Refund:
    """One refund with its payment; raises NotFound."""
    rows = listing(project=project).select_related("payment__account", "account")
    row = rows.filter(pk=refund_id).first()
    if row is None:
        raise NotFound("No refund with this id.")
    return row
