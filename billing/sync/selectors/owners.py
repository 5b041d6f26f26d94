"""The owner of a Stripe object: our rows decide, metadata alone never does (docs/rules.md, R16)."""

from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from django.db.models import QuerySet

from billing.models import StripeAccount, StripeCustomer
from billing.models.mirror import Mirror
from billing.sync.selectors import page_rows
from common.ids import is_id, prefix_of
from common.prepared_queries import Parameter, PreparedQuery
from projects.customers import selectors as customers
from projects.models import Customer

MirrorT = TypeVar("MirrorT", bound=Mirror)


@dataclass(frozen=True, slots=True)
class Owner:
    """The project that an object belongs to, and its customer if the object has one."""

    project_id: str
    customer_id: str | None = None

    def lock(self) -> Customer | None:
        """The customer's row, locked: taken before anything of theirs is read or written."""
        if self.customer_id is None:
            return None
        return customers.lock(project_id=self.project_id, customer_id=self.customer_id)


@dataclass(slots=True)
class LockedOwners:
    """The customers that one transaction has locked: each is read once, and has one version."""

    _customers: dict[Owner, Customer | None] = field(default_factory=dict)

    def lock(self, owner: Owner) -> Customer | None:
        """As :meth:`Owner.lock`; the same row for the same owner."""
        if owner not in self._customers:
            self._customers[owner] = owner.lock()
        return self._customers[owner]


def by_customer(*, account: StripeAccount, stripe_id: str | None) -> Owner | None:
    """The owner of objects of this Stripe customer. None if no project has that customer."""
    if not stripe_id:
        return None
    row = row_of(StripeCustomer, account=account, stripe_id=stripe_id)
    return Owner(row.project_id, row.customer_id) if row is not None else None


def row_of(model: type[MirrorT], *, account: StripeAccount, stripe_id: str) -> MirrorT | None:
    """Our row of this Stripe object."""
    held = page_rows.find(model, account=account, stripe_id=stripe_id)
    if held is not None:
        return held[0] if held else None
    return _of_object(model).first(account_id=account.pk, stripe_id=stripe_id)


def project_row(
    model: type[MirrorT], *, account: StripeAccount, project_id: str, stripe_id: str
) -> MirrorT | None:
    """The project's row of this Stripe object."""
    held = page_rows.find(model, account=account, stripe_id=stripe_id)
    if held is not None:
        return next((row for row in held if row.project_id == project_id), None)
    return _of_object_in_project(model).first(
        project_id=project_id, account_id=account.pk, stripe_id=stripe_id
    )


def claimed_row(
    model: type[MirrorT], *, account: StripeAccount, stripe_id: str, our_id: str | None
) -> MirrorT | None:
    """Our row of this object, or the row that its metadata names if that one still waits for it.

    The proof is our row: it was made in this account to ask for an object and has none yet.
    """
    row = row_of(model, account=account, stripe_id=stripe_id)
    if row is not None or not is_id(our_id, prefix_of(model)):
        return row
    rows: QuerySet[MirrorT] = model.objects.across_projects()
    return rows.filter(account=account, stripe_id__isnull=True, pk=our_id).first()


@cache
def _of_object(model: type[MirrorT]) -> PreparedQuery[MirrorT]:
    rows: QuerySet[MirrorT] = model.objects.across_projects()
    return PreparedQuery(lambda: _select_first(rows))


@cache
def _of_object_in_project(model: type[MirrorT]) -> PreparedQuery[MirrorT]:
    rows: QuerySet[MirrorT] = model.objects.for_project(Parameter("project_id"))
    return PreparedQuery(lambda: _select_first(rows))


def _select_first(rows: QuerySet[MirrorT]) -> QuerySet[MirrorT]:
    same_object = rows.filter(account_id=Parameter("account_id"), stripe_id=Parameter("stripe_id"))
    return same_object.order_by("id")[:1]
