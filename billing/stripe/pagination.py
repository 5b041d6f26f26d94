"""Read lists at Stripe page by page.

A list that Stripe refuses raises. A single object that cannot be read is returned as an
:class:`UnreadableObject` in its place, so that the other objects of the list are still read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from stripe import StripeClient

from billing.stripe import reads
from billing.stripe.errors import StripeMalformed, StripeRefused, translate
from billing.stripe.fields import PAGE, Fields, reference
from billing.stripe.snapshots import UnreadableObject
from common.errors import NotFound

log = structlog.get_logger(__name__)

SnapshotT = TypeVar("SnapshotT")


def pages(client: StripeClient, url: str, params: reads.Params) -> Iterator[list[Any]]:
    """The objects of a list, page by page; each page is requested when it is needed.

    Raises StripeMalformed when Stripe repeats a page.
    """
    with translate():
        page = reads.get(client, url, params)
        objects = list(page["data"])
    while objects:
        yield objects
        with translate():
            if not page["has_more"]:
                return
            page = reads.get(client, url, {**params, "starting_after": objects[-1]["id"]})
            next_objects = list(page["data"])
        if next_objects and _id_of(next_objects[-1]) == _id_of(objects[-1]):
            raise StripeMalformed("Stripe repeats a page of a list instead of going on.")
        objects = next_objects


def all_of(client: StripeClient, url: str, params: reads.Params) -> list[Fields]:
    """All objects of a list that is short."""
    pages_of_list = pages(client, url, {"limit": PAGE, **params})
    return [fields for page in pages_of_list for fields in page]


def iterate(
    client: StripeClient, url: str, params: reads.Params, read: Callable[[Fields], SnapshotT]
) -> Iterator[SnapshotT | UnreadableObject]:
    """All objects of a list, converted from their fields with ``read``."""
    for page in pages(client, url, params):
        yield from read_page(page, read)


def read_page(
    objects: Sequence[Any], read: Callable[[Fields], SnapshotT]
) -> Iterator[SnapshotT | UnreadableObject]:
    """The objects of one page, converted with ``read``. Raises StripeUnavailable if ``read``
    does."""
    for listed in objects:
        try:
            with translate():
                snapshot = read(listed)
        except (StripeMalformed, StripeRefused, NotFound) as error:
            stripe_id = _id_of(listed)
            log.warning("stripe_object_unreadable", stripe_id=stripe_id, error=type(error).__name__)
            yield UnreadableObject(stripe_id=stripe_id, error=error)
        else:
            yield snapshot


def _id_of(listed: Any) -> str:
    """The object's id; empty for an object without one."""
    return reference(listed.get("id")) or "" if isinstance(listed, dict) else ""
