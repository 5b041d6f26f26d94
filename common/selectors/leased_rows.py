"""Locks of rows that are leased (:mod:`common.lease`)."""

from typing import TypeVar

from django.db.models import Model, QuerySet

ModelT = TypeVar("ModelT", bound=Model)


def lock_unlocked(rows: QuerySet[ModelT]) -> list[ModelT]:
    """Lock those of these rows that no other transaction has locked, until the transaction ends."""
    return list(rows.select_for_update(skip_locked=True, of=("self",)))
