"""The changes that an object at Stripe makes in our rows: computed once, then shown or written.

Sync writes a plan and reconciliation prints one, so the two cannot disagree about differences.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import models

from billing.models.mirror import Mirror
from common import prepared_inserts, prepared_relations

RowT = TypeVar("RowT", bound=Mirror)

Values = Mapping[str, Any]
"""Column (``price_id``, not ``price``) to value."""
Differences = dict[str, tuple[Any, Any]]
"""Column to our value and Stripe's value."""

REPLACEMENT = "\ufffd"
"""Replaces characters that PostgreSQL cannot store: NUL and halves of surrogate pairs."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """The complete set of rows below a mirrored row: our ``rows`` and Stripe's values, both by
    Stripe id. ``new`` creates a row."""

    name: str
    rows: Mapping[str, models.Model]
    values_by_id: Mapping[str, Values]
    new: Callable[[str], models.Model]

    def differences(self) -> Differences:
        differences: Differences = {
            f"{self.name}[{stripe_id}]": (str(self.rows[stripe_id]), None)
            for stripe_id in self.rows.keys() - self.values_by_id.keys()
        }
        for stripe_id, values in self.values_by_id.items():
            row = self.rows.get(stripe_id)
            if row is None:
                differences[f"{self.name}[{stripe_id}]"] = (None, dict(values))
                continue
            for name, pair in _differences(row, values).items():
                differences[f"{self.name}[{stripe_id}].{name}"] = pair
        return differences

    def write(self) -> bool:
        """Write the rows that differ. Returns whether rows were added or removed."""
        removed = self.rows.keys() - self.values_by_id.keys()
        for stripe_id in removed:
            self.rows[stripe_id].delete()
        for stripe_id, values in self.values_by_id.items():
            _write(self.rows.get(stripe_id) or self.new(stripe_id), values)
        return bool(removed or self.values_by_id.keys() - self.rows.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan(Generic[RowT]):
    """A mirrored row, the new values of its columns, and the sets of rows below it."""

    row: RowT
    values: Values
    children: tuple[Children, ...] = ()
    relations: tuple[str, ...] = ()
    """Relations of the row that its body shows, the children's included: read once, and again after
    rows were added or removed."""
    needs: tuple[str, str] | None = None
    """Kind and Stripe id of an object that must be mirrored before this row can be written."""

    @property
    def is_new(self) -> bool:
        """Whether the object has no row yet."""
        return self.row._state.adding

    def differences(self) -> Differences:
        """All differences; empty exactly when :meth:`write` would change nothing."""
        differences = _differences(self.row, self.values)
        for children in self.children:
            differences |= children.differences()
        return differences

    def load(self) -> None:
        """Read the relations of a row that is stored."""
        if not self.is_new:
            prepared_relations.load([self.row], *self.relations)

    def write(self, *, at: datetime) -> bool:
        """Write the columns that differ. Returns whether there were any."""
        if not self.differences():
            return False
        is_new = self.is_new
        _write(self.row, {**self.values, "synced_at": at, "updated_at": at})
        changed = {children.name for children in self.children if children.write()}
        if is_new:
            self.load()
        else:
            for name in changed.intersection(self.relations):
                prepared_relations.reload(self.row, name)
        return True


def _differences(row: models.Model, values: Values) -> Differences:
    fitted = {name: _fit(row, name, value) for name, value in values.items()}
    return {
        name: (getattr(row, name), value)
        for name, value in fitted.items()
        if row._state.adding or getattr(row, name) != value
    }


def _write(row: models.Model, values: Values) -> None:
    differing = _differences(row, values)
    is_new = row._state.adding
    for name, (_, value) in differing.items():
        setattr(row, name, value)
    if is_new:
        prepared_inserts.insert([row])
    elif differing:
        row.save(update_fields=list(differing))


def _fit(row: models.Model, name: str, value: Any) -> Any:
    """The value as its column can store it: storable text, cut to the column's length."""
    value = _storable(value)
    if isinstance(value, str):
        length = getattr(row._meta.get_field(name), "max_length", None)
        return value[:length]
    return value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_storable(key): _storable(member) for key, member in value.items()}
    return value
