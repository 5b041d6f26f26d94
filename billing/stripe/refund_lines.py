"""The lines of a purchase that a refund is for, kept in the refund's metadata at Stripe.

Thus a refund that our database lost, for example after a restore, still knows its lines. Each line
is written as ``<our id without its prefix>:<minor units>[:<quantity>]``.
"""

from collections.abc import Mapping, Sequence

from billing.stripe.snapshots import RefundLineSnapshot
from common.ids import is_id

KEY = "tollgate_lines"
LONGEST = 500
"""Longest value of metadata, in characters."""
PREFIX = "chkl"


def write(lines: Sequence[RefundLineSnapshot]) -> dict[str, str]:
    """Metadata that names the lines, in as many keys as needed; empty without lines."""
    values: list[str] = []
    for line in lines:
        encoded = _write(line)
        if values and len(values[-1]) + 1 + len(encoded) <= LONGEST:
            values[-1] += f",{encoded}"
        else:
            values.append(encoded)
    return {_key(number): value for number, value in enumerate(values)}


def read(metadata: Mapping[str, str], *, amount: int) -> tuple[RefundLineSnapshot, ...]:
    """The lines in the metadata.

    Empty without any, and when their sum is not the refund's ``amount`` in minor units: then
    somebody else has changed the metadata.
    """
    encoded_lines, number = [], 0
    while value := metadata.get(_key(number)):
        encoded_lines += value.split(",")
        number += 1
    lines = [_read(each) for each in encoded_lines]
    valid_lines = tuple(line for line in lines if line is not None)
    if len(valid_lines) < len(lines) or sum(line.amount for line in valid_lines) != amount:
        return ()
    return valid_lines


def _key(number: int) -> str:
    return f"{KEY}_{number + 1}" if number else KEY


def _write(line: RefundLineSnapshot) -> str:
    parts = [line.line.removeprefix(f"{PREFIX}_"), str(line.amount)]
    return ":".join([*parts, str(line.quantity)] if line.quantity else parts)


def _read(encoded: str) -> RefundLineSnapshot | None:
    name, *numbers = encoded.split(":")
    line = f"{PREFIX}_{name}"
    are_numbers = all(part.isascii() and part.isdecimal() and len(part) < 16 for part in numbers)
    if not is_id(line, PREFIX) or not are_numbers or len(numbers) not in (1, 2):
        return None
    quantity = int(numbers[1]) if len(numbers) == 2 else None
    return RefundLineSnapshot(line=line, amount=int(numbers[0]), quantity=quantity)
