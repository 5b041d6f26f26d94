"""Customers whose copies at Stripe are out of date."""

from django.db.models import Case, Exists, OuterRef, Value, When

from billing.models import StripeCustomer
from billing.sync.selectors import back_offs
from common import fair_queue
from common.fair_queue import RetryRule
from projects.customers import selectors as customers
from projects.models import Customer


def outdated(*, limit: int, rule: RetryRule) -> list[Customer]:
    """Customers with outdated copies, alternating between projects, the oldest change first.

    Customers that back off by ``rule`` are left out, and customers with a copy in an account that
    backs off.
    """
    request = Case(
        When(customer__deleted_at__isnull=True, then=Value("customer.update")),
        default=Value("customer.delete"),
    )
    stuck = (
        StripeCustomer.objects.across_projects()
        .filter(
            project_id=OuterRef("project_id"), customer_id=OuterRef("pk"), deleted_at__isnull=True
        )
        .alias(request=request)
        .filter(back_offs.is_backing_off(account="account_id", request="request"))
    )
    rows = customers.with_outdated_copies().filter(
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"), ~Exists(stuck)
    )
    return fair_queue.round_robin(
        rows, owner="project_id", order=("details_changed_at", "pk"), limit=limit
    )
