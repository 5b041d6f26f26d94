"""Events of the catalog: the bodies of its rows before and after a change decide which one.

A tenant sees a row once Stripe has its object. A coupon or code with an ``original`` is a part of
that one, so its changes are changes of the original. Every writer holds the lock of the row that
the tenant sees (:func:`lock`), so that two of them never record the same change.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from billing.catalog.selectors import catalog, row_locks
from billing.catalog.selectors import coupons as coupon_selectors
from billing.models import Coupon, Price, Product, PromotionCode
from billing.models.mirror import Mirror
from billing.models.outbound import Outbound
from billing.outbound import created_rows
from billing.outbound.created_rows import RecordCreation
from billing.representation import catalog as catalog_representation
from billing.representation import coupons as coupon_representation
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent
from projects.customers import selectors as customers
from projects.models import Customer

NOUNS: dict[type[Mirror], str] = {
    Product: "product",
    Price: "price",
    Coupon: "coupon",
    PromotionCode: "promotion_code",
}


@dataclass(frozen=True, slots=True)
class CatalogState:
    """A row as the tenant sees it."""

    body: Mapping[str, object]
    is_deleted: bool = False


def lock(row: Mirror, *, customer_id: str | None = None) -> Customer | None:
    """Lock the customer of a code, the row that the tenant sees, and the row; refresh the row.

    Returns the customer: the one named, else the row's. The caller has locked nothing yet.
    """
    customer = lock_customer(row, customer_id=customer_id)
    row_locks.lock(row, shown_id=_shown_id(row))
    return customer


def lock_customer(row: Mirror, *, customer_id: str | None = None) -> Customer | None:
    """Lock the only customer who may use a code: the one named, else the row's."""
    customer_id = customer_id or getattr(row, "customer_id", None)
    if not customer_id:
        return None
    return customers.lock(project_id=row.project_id, customer_id=customer_id)


@contextmanager
def recorded(row: Mirror, *, at: datetime, customer: Customer | None = None) -> Iterator[None]:
    """Record the event of what happens inside to this row, which the caller has locked."""
    before = None if row._state.adding else _find_state(row)
    yield
    after = _find_state(row)
    if after is not None:
        _record(row, before, after, customer, at)


def close_codes(*, coupon: Coupon, at: datetime) -> None:
    """Close the active promotion codes of a coupon; the events take one statement."""
    rows = coupon_selectors.codes(project=coupon.project_id, coupon=coupon.pk, active=True)
    owners = sorted(filter(None, rows.order_by().values_list("customer_id", flat=True)))
    locked = customers.lock_many(project_id=coupon.project_id, customer_ids=owners)
    active = row_locks.lock_active_codes(coupon)
    PromotionCode.objects.for_project(coupon.project_id).filter(coupon=coupon, active=True).update(
        active=False, updated_at=at
    )
    outbox.record_many(
        project_id=coupon.project_id,
        event_type=EventType.PROMOTION_CODE_UPDATED,
        events=[
            NewEvent(
                subject=code.pk,
                data={**coupon_representation.promotion_code(code), "active": False},
                previous={"active": True},
                customer_id=code.customer_id or "",
                version=locked[code.customer_id].version if code.customer_id else 0,
            )
            for code in active
        ],
        at=at,
    )


def register() -> None:
    """Record the creation of products, prices, coupons and codes that are made through us."""
    models: list[type[Outbound]] = [Product, Price, Coupon, PromotionCode]
    for model in models:
        created_rows.register(model, _creation_of(model))


def _creation_of(model: type[Outbound]) -> created_rows.Begin:
    def begin(project_id: str, row_id: str) -> RecordCreation:
        row = model.objects.for_project(project_id).filter(pk=row_id).first()
        customer = lock(row) if row is not None and _shown_id(row) == row.pk else None

        def record(at: datetime) -> None:
            if row is None or _shown_id(row) != row.pk:
                return
            after = _find_state(row)
            if after is not None:
                _record(row, None, after, customer, at)

        return record

    return begin


def _record(
    row: Mirror,
    before: CatalogState | None,
    after: CatalogState,
    customer: Customer | None,
    at: datetime,
) -> None:
    previous = {} if before is None else outbox.previous_values(before.body, after.body)
    verb = _verb(before, after, previous)
    if verb is None:
        return
    outbox.record(
        project_id=row.project_id,
        event_type=EventType(f"{NOUNS[type(row)]}.{verb}"),
        subject=_shown_id(row),
        customer_id=customer.pk if customer else "",
        version=customer.version if customer else 0,
        data=after.body,
        previous=previous,
        at=at,
    )


def _verb(
    before: CatalogState | None, after: CatalogState, previous: Mapping[str, object]
) -> str | None:
    """The event of the new state, else ``updated``; None if the tenant sees no change."""
    if before is None:
        return "created"
    if after.is_deleted and not before.is_deleted:
        return "deleted"
    if "code" not in after.body and previous.get("active") is True:
        return "archived"
    return "updated" if previous else None


def _find_state(row: Mirror) -> CatalogState | None:
    """The row as the tenant sees it now, read again; None while Stripe has no such object."""
    project_id, shown_id = row.project_id, _shown_id(row)
    body: Mapping[str, object] | None
    match row:
        case Product():
            product = catalog.find_for_event(project_id=project_id, product_id=shown_id)
            body = catalog_representation.product(product) if product else None
        case Price():
            price = catalog.prices(project=project_id).filter(pk=shown_id).first()
            body = catalog_representation.price(price) if price else None
        case Coupon():
            return _coupon_state(project_id, shown_id)
        case _:
            code = coupon_selectors.codes(project=project_id).filter(pk=shown_id).first()
            body = coupon_representation.promotion_code(code) if code else None
    return CatalogState(body) if body else None


def _coupon_state(project_id: str, coupon_id: str) -> CatalogState | None:
    coupon = coupon_selectors.originals(project=project_id).filter(pk=coupon_id).first()
    if coupon is None:
        return None
    products = coupon_selectors.products(project=project_id, coupons=[coupon])
    body = coupon_representation.coupon(coupon, products)
    return CatalogState(body, coupon.deleted_at is not None)


def _shown_id(row: Mirror) -> str:
    """The id of the row that the tenant sees."""
    return str(getattr(row, "original_id", None) or row.pk)
