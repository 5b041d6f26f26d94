"""The project's invoices, with their lines and customers loaded."""

from billing.models import Invoice
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def listing(
    *, project: Project, user_id: str = "", subscription: str = "", status: str = ""
) -> ProjectQuerySet[Invoice]:
    """Those that match every filter given: two queries, whatever their number."""
    wanted = {
        "customer__user_id": user_id,
        "subscription_id": subscription,
        "status": status,
    }
    return (
        Invoice.objects.for_project(project)
        .filter(**{name: value for name, value in wanted.items() if value})
        .select_related("customer")
        .prefetch_related("lines")
    )


def get(*, project: Project, invoice_id: str) -> Invoice:
    """One invoice; raises NotFound."""
    row = listing(project=project).filter(pk=invoice_id).first()
    if row is None:
        raise NotFound("No invoice with this id.")
    return row
