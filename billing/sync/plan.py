"""What Stripe's word would change in our rows; computed once, then shown or written.

Applying writes a plan, reconciliation prints one: the two cannot disagree about what differs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import models

from billing.models.mirror import Mirror

RowT = TypeVar("RowT", bound=Mirror)

Values = Mapping[str, Any]
"""Column (``price_id``, not ``price``) to value."""
Differences = dict[str, tuple[Any, Any]]
"""What differs: our value, Stripe's value."""

REPLACEMENT = "\ufffd"
"""Stands for what PostgreSQL's text cannot hold: NUL and halves of surrogate pairs."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """The exact set of rows that hang below a mirrored one, by Stripe id."""

    name: str
    rows: Mapping[str, models.Model]
    wanted: Mapping[str, Values]
    new: Callable[[str], models.Model]

    def differences(self) -> Differences:
        found: Differences = {
            f"{self.name}[{stripe_id}]": (str(self.rows[stripe_id]), None)
            for stripe_id in self.rows.keys() - self.wanted.keys()
        }
        for stripe_id, values in self.wanted.items():
            row = self.rows.get(stripe_id)
            if row is None:
                found[f"{self.name}[{stripe_id}]"] = (None, dict(values))
                continue
            for name, pair in _differences(row, values).items():
                found[f"{self.name}[{stripe_id}].{name}"] = pair
        return found

    def write(self) -> None:
        for stripe_id in self.rows.keys() - self.wanted.keys():
            self.rows[stripe_id].delete()
        for stripe_id, values in self.wanted.items():
            _write(self.rows.get(stripe_id) or self.new(stripe_id), values)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan(Generic[RowT]):
    """One mirrored row, what its columns should say, and the sets below it."""

    row: RowT
    values: Values
    children: tuple[Children, ...] = ()
    needs: tuple[str, str] | None = None
    """Kind and Stripe id of what has to be mirrored before this can be written."""

    @property
    def is_new(self) -> bool:
        """Whether we have no row for the object yet."""
        return self.row._state.adding

    def differences(self) -> Differences:
        """Empty exactly when writing would change nothing."""
        found = _differences(self.row, self.values)
        for each in self.children:
            found |= each.differences()
        return found

    def write(self, *, at: datetime) -> bool:
        """Make the rows say it; whether anything changed. Touches only what differs."""
        if not self.differences():
            return False
        _write(self.row, {**self.values, "synced_at": at, "updated_at": at})
        for each in self.children:
            each.write()
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
    if is_new or differing:
        row.save(force_insert=is_new, update_fields=None if is_new else list(differing))


def _fit(row: models.Model, name: str, value: Any) -> Any:
    """The value as its column can hold it: storable text, cut to the column's length."""
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
