"""Read lists at Stripe page by page.

A list that Stripe refuses raises. A single object that cannot be read is returned as an
:class:`UnreadableObject` in its place, so that the other objects of the list are still read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import structlog

from billing.stripe.errors import StripeMalformed, StripeRefused, translate
from billing.stripe.fields import Fields, plain, reference
from billing.stripe.snapshots import UnreadableObject
from common.errors import NotFound

log = structlog.get_logger(__name__)

SnapshotT = TypeVar("SnapshotT")


def pages(first_page: Callable[[], Any]) -> Iterator[list[Any]]:
    """The SDK's objects of a list, page by page; each page is requested when it is needed.

    Raises StripeMalformed when Stripe repeats a page.
    """
    with translate():
        page = first_page()
        objects = list(page.data)
    while objects:
        yield objects
        with translate():
            if not page.has_more:
                return
            page = page.next_page()
            next_objects = list(page.data)
        if next_objects and _id_of(next_objects[-1]) == _id_of(objects[-1]):
            raise StripeMalformed("Stripe repeats a page of a list instead of going on.")
        objects = next_objects


def iterate(
    first_page: Callable[[], Any], read: Callable[[Fields], SnapshotT]
) -> Iterator[SnapshotT | UnreadableObject]:
    """All objects of a list, converted from their fields with ``read``."""
    for page in pages(first_page):
        yield from read_page(page, read)


def read_page(
    objects: Sequence[Any], read: Callable[[Fields], SnapshotT]
) -> Iterator[SnapshotT | UnreadableObject]:
    """The objects of one page, converted with ``read``. Raises StripeUnavailable if ``read``
    does."""
    for listed in objects:
        try:
            with translate():
                snapshot = read(plain(listed))
        except (StripeMalformed, StripeRefused, NotFound) as error:
            stripe_id = _id_of(listed)
            log.warning("stripe_object_unreadable", stripe_id=stripe_id, error=type(error).__name__)
            yield UnreadableObject(stripe_id=stripe_id, error=error)
        else:
            yield snapshot


def _id_of(listed: Any) -> str:
    """The object's id; empty for an object without one."""
    return reference(getattr(listed, "id", None)) or ""
