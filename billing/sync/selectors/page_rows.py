"""Our rows of the objects on one page of a Stripe list, and of those that they name, read together.

While a page is held, the look-ups of ``owners`` and of the mappers are answered from it, so a page
of a hundred objects costs a dozen queries and not several for each.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from billing.models import (
    Checkout,
    Coupon,
    EarlyFraudWarning,
    Invoice,
    Payment,
    Price,
    Product,
    PromotionCode,
    StripeAccount,
    StripeCustomer,
    Subscription,
)
from billing.models.mirror import Mirror
from billing.stripe.snapshots import StripeSnapshot
from common import prepared_relations
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedQuery, is_any

Ids = dict[type[Mirror], set[str]]

CHILDREN: Mapping[type[Mirror], tuple[str, ...]] = {
    Subscription: ("items",),
    Invoice: ("lines", "payments", "credit_notes"),
    Payment: ("refunds", "disputes"),
}
RELATED: Mapping[type[Mirror], tuple[str, ...]] = {
    Payment: ("checkout",),
    PromotionCode: ("coupon",),
    EarlyFraudWarning: ("payment",),
}
NAMED: Mapping[str, type[Mirror]] = {
    "customer_stripe_id": StripeCustomer,
    "price_stripe_id": Price,
    "product_stripe_id": Product,
    "subscription_stripe_id": Subscription,
    "payment_stripe_id": Payment,
    "coupon_stripe_id": Coupon,
    "promotion_code_stripe_id": PromotionCode,
}
"""Members of snapshots that name another object."""
PARTS = ("items", "scheduled_items", "lines", "payments", "discounts")
"""Members of snapshots whose own members name other objects."""


@dataclass(slots=True)
class PageRows:
    """``ids`` are those that were looked up; one without rows is not mirrored."""

    account_id: str
    ids: dict[type[Mirror], frozenset[str]] = field(default_factory=dict)
    rows: dict[tuple[type[Mirror], str], list[Any]] = field(default_factory=dict)
    invoices: dict[str, list[Invoice]] = field(default_factory=dict)
    """By the id of the PaymentIntent that pays them; only while a page of those is held."""
    checkouts: list[Checkout] = field(default_factory=list)
    """Those that name a PaymentIntent of the page, or an invoice that one pays."""
    has_purchases: bool = False


_held: ContextVar[PageRows | None] = ContextVar("page_rows", default=None)


@contextmanager
def hold(
    account: StripeAccount, *, model: type[Mirror], snapshots: Collection[StripeSnapshot]
) -> Iterator[PageRows]:
    """Read what the page needs; look-ups inside are answered from it. For comparisons only: a row
    that is written while the page is held would be seen with the children that it had before."""
    ids = _ids(model, snapshots)
    page = PageRows(account.pk)
    for each, stripe_ids in ids.items():
        _load(page, account, each, stripe_ids, with_children=each is model)
    if model is Payment:
        _load_purchases(page, account, snapshots)
    token = _held.set(page)
    try:
        yield page
    finally:
        _held.reset(token)


@contextmanager
def hold_ids(
    account: StripeAccount, *, model: type[Mirror], ids: Collection[str]
) -> Iterator[None]:
    """The same for objects of which only the ids are known."""
    page = PageRows(account.pk)
    _load(page, account, model, set(ids), with_children=False)
    token = _held.set(page)
    try:
        yield
    finally:
        _held.reset(token)


def find(model: type[Mirror], *, account: StripeAccount, stripe_id: str) -> list[Any] | None:
    """Our rows of this object, oldest first; None when no held page knows."""
    page = _held.get()
    if page is None or page.account_id != account.pk:
        return None
    if stripe_id not in page.ids.get(model, ()):
        return None
    return page.rows.get((model, stripe_id), [])


def find_many(
    model: type[Mirror], *, account: StripeAccount, project_id: str, stripe_ids: Collection[str]
) -> dict[str | None, Any] | None:
    """The project's rows of these objects by Stripe id; None when no held page knows them all."""
    row_by_id: dict[str | None, Any] = {}
    for stripe_id in filter(None, stripe_ids):
        rows = find(model, account=account, stripe_id=stripe_id)
        if rows is None:
            return None
        own = [row for row in rows if row.project_id == project_id]
        if own:
            row_by_id[stripe_id] = own[-1]
    return row_by_id


def purchases() -> PageRows | None:
    """The held page, if it is one of PaymentIntents."""
    page = _held.get()
    return page if page is not None and page.has_purchases else None


def _ids(model: type[Mirror], snapshots: Collection[StripeSnapshot]) -> Ids:
    ids: Ids = defaultdict(set)
    for snapshot in snapshots:
        ids[model].add(snapshot.stripe_id)
        for part in (snapshot, *_parts(snapshot)):
            for name, named in NAMED.items():
                if stripe_id := getattr(part, name, None):
                    ids[named].add(stripe_id)
    return ids


def _parts(snapshot: StripeSnapshot) -> Iterator[Any]:
    for name in PARTS:
        yield from getattr(snapshot, name, None) or ()


def _load(
    page: PageRows,
    account: StripeAccount,
    model: type[Mirror],
    stripe_ids: set[str],
    *,
    with_children: bool,
) -> None:
    page.ids[model] = frozenset(stripe_ids)
    if not stripe_ids:
        return
    query = _of_objects_with_related(model) if with_children else _of_objects(model)
    rows = query.rows(account_id=account.pk, stripe_ids=sorted(stripe_ids))
    if with_children:
        prepared_relations.prefetch(rows, *CHILDREN.get(model, ()))
    for row in rows:
        page.rows.setdefault((model, str(row.stripe_id)), []).append(row)


@cache
def _of_objects(model: type[Mirror]) -> PreparedQuery[Any]:
    return PreparedQuery(lambda: _select_objects(model))


@cache
def _of_objects_with_related(model: type[Mirror]) -> PreparedQuery[Any]:
    return PreparedQuery(lambda: _select_objects(model), related=RELATED.get(model, ()))


def _select_objects(model: type[Mirror]) -> ProjectQuerySet[Any]:
    rows = model.objects.across_projects().filter(account_id=Parameter("account_id"))
    return rows.filter(is_any("stripe_id", "stripe_ids")).order_by("id")


def _load_purchases(
    page: PageRows, account: StripeAccount, snapshots: Collection[StripeSnapshot]
) -> None:
    """What a PaymentIntent was for: the invoices that it pays, the pages that it came from."""
    ids = [snapshot.stripe_id for snapshot in snapshots]
    projects = {row.project_id for rows in page.rows.values() for row in rows}
    invoices = (
        Invoice.objects.across_projects()
        .filter(
            account=account,
            payments__project_id__in=projects,
            payments__payment_stripe_id__in=ids,
        )
        .prefetch_related("payments")
        .order_by("id")
        .distinct()
    )
    for invoice in invoices:
        for payment in invoice.payments.all():
            page.invoices.setdefault(payment.payment_stripe_id, []).append(invoice)
    paid = [str(invoice.stripe_id) for rows in page.invoices.values() for invoice in rows]
    checkouts = Checkout.objects.across_projects().filter(account=account, project_id__in=projects)
    named = [snapshot.our_id for snapshot in snapshots if snapshot.our_id]
    checkouts_by_id = {
        row.pk: row
        for rows in (
            checkouts.filter(payment_stripe_id__in=ids),
            checkouts.filter(invoice_stripe_id__in=paid),
            checkouts.filter(pk__in=named),
        )
        for row in rows
    }
    page.checkouts = [checkouts_by_id[pk] for pk in sorted(checkouts_by_id)]
    page.has_purchases = True
