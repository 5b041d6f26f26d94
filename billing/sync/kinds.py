"""The mirrored kinds: how an object is read from Stripe, and how the snapshot becomes our rows.

Each room registers its kinds when the process starts (``billing.apps``), owners before what they
own: reconciliation goes through them in this order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from billing.models.sync_object import ObjectKind
from billing.stripe.snapshots import StripeSnapshot, UnreadableObject
from billing.sync.mapper import Mapper


@dataclass(frozen=True, slots=True)
class Mirrored:
    """One kind of object at Stripe and its place here."""

    kind: ObjectKind
    retrieve: Callable[[Any, str], StripeSnapshot]
    """From the account's client and an id; raises StripeObjectMissing."""
    iterate: Callable[..., Iterator[StripeSnapshot | UnreadableObject]]
    """From the client: every object, newest first, or those ``after`` one. An object that cannot be
    read comes as an UnreadableObject."""
    mapper: Mapper[Any, Any]
    can_be_deleted: Callable[[Any], bool]
    """Whether Stripe may answer 404 for the object of this row because somebody deleted it. Stripe
    keeps all others for ever; a deleted customer answers ``deleted`` and no 404."""


def never(row: Any) -> bool:
    return False


def always(row: Any) -> bool:
    return True


KINDS: dict[str, Mirrored] = {}


def register(mirrored: Mirrored) -> None:
    """Mirror this kind of object from now on."""
    KINDS[mirrored.kind.value] = mirrored


def of(kind: str) -> Mirrored:
    return KINDS[kind]
