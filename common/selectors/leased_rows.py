"""Rows that are locked while they are leased (:mod:`common.lease`)."""

from typing import TypeVar

from django.db.models import Model, QuerySet

ModelT = TypeVar("ModelT", bound=Model)


def lock_unlocked(rows: QuerySet[ModelT]) -> list[ModelT]:
    """These rows, locked until the transaction ends, without those that another transaction has
    locked."""
    return list(rows.select_for_update(skip_locked=True, of=("self",)))
