"""Which lines of a purchase a refund is for, in the refund's metadata at Stripe.

So a refund that Stripe made and we know nothing of any more, as after a restore, finds its lines
again. Each line is written as ``<our id without its prefix>:<minor units>[:<quantity>]``.
"""

from collections.abc import Mapping, Sequence

from billing.stripe.snapshots import RefundLineSnapshot
from common.ids import is_id

KEY = "tollgate_lines"
LONGEST = 500
"""Characters of one value of metadata."""
PREFIX = "chkl"


def write(lines: Sequence[RefundLineSnapshot]) -> dict[str, str]:
    """As many pairs of metadata as it takes; none for no line."""
    values: list[str] = []
    for each in lines:
        written = _write(each)
        if values and len(values[-1]) + 1 + len(written) <= LONGEST:
            values[-1] += f",{written}"
        else:
            values.append(written)
    return {_key(number): value for number, value in enumerate(values)}


def read(metadata: Mapping[str, str], *, amount: int) -> tuple[RefundLineSnapshot, ...]:
    """Empty when the metadata names none, or lines that do not add up to the refund's ``amount``:
    somebody else has written there."""
    written, number = [], 0
    while value := metadata.get(_key(number)):
        written += value.split(",")
        number += 1
    lines = [_read(each) for each in written]
    known = tuple(line for line in lines if line is not None)
    if len(known) < len(lines) or sum(line.amount for line in known) != amount:
        return ()
    return known


def _key(number: int) -> str:
    return f"{KEY}_{number + 1}" if number else KEY


def _write(line: RefundLineSnapshot) -> str:
    parts = [line.line.removeprefix(f"{PREFIX}_"), str(line.amount)]
    return ":".join([*parts, str(line.quantity)] if line.quantity else parts)


def _read(written: str) -> RefundLineSnapshot | None:
    name, *numbers = written.split(":")
    line = f"{PREFIX}_{name}"
    is_counted = all(each.isascii() and each.isdecimal() and len(each) < 16 for each in numbers)
    if not is_id(line, PREFIX) or not is_counted or len(numbers) not in (1, 2):
        return None
    quantity = int(numbers[1]) if len(numbers) == 2 else None
    return RefundLineSnapshot(line=line, amount=int(numbers[0]), quantity=quantity)
