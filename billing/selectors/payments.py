"""The project's payments, with their refunds and customers loaded."""

from billing.models import Payment, Refund
from common.errors import NotFound
from common.models import ProjectQuerySet
from projects.models import Project


def listing(
    *, project: Project, user_id: str = "", checkout: str = "", status: str = ""
) -> ProjectQuerySet[Payment]:
    """Those that match every filter given: two queries, whatever their number."""
    wanted = {"customer__user_id": user_id, "checkout_id": checkout, "status": status}
    return (
        Payment.objects.for_project(project)
        .filter(**{name: value for name, value in wanted.items() if value})
        .select_related("customer", "account")
        .prefetch_related("refunds")
    )


def get(*, project: Project, payment_id: str) -> Payment:
    """One payment; raises NotFound."""
    row = listing(project=project).filter(pk=payment_id).first()
    if row is None:
        raise NotFound("No payment with this id.")
    return row


def refund(*, payment: Payment, stripe_id: str) -> Refund:
    """The refund of this payment that Stripe knows under that id; raises NotFound."""
    row = (
        Refund.objects.for_project(payment.project_id)
        .filter(payment=payment, stripe_id=stripe_id)
        .first()
    )
    if row is None:
        raise NotFound("No refund with this id.")
    return row
