"""What records add to totals, computed by column, equals what they come to one by one."""

import random
from datetime import datetime, timedelta

import pytest

from tests.factories.usage import NOW
from tests.usage.law import ExpectedTotal, expected_totals
from usage.totals.aggregation import add_up_by_hour

MOMENTS = [NOW + timedelta(minutes=minutes) for minutes in (-61, -60, -1, 0, 0, 7, 59)]


@pytest.mark.parametrize("moments", [MOMENTS, [NOW]], ids=["several hours", "one moment"])
def test_records_add_up_to_the_same_totals_in_any_order(moments: list[datetime]) -> None:
    chance = random.Random(7)
    for size in (0, 1, 2, 40, 300):
        uses = [
            (
                f"cus_{chance.randrange(5)}",
                f"mtr_{chance.randrange(2)}",
                chance.randrange(9),
                chance.choice(moments),
            )
            for _ in range(size)
        ]
        changes = add_up_by_hour(
            customer_ids=[customer_id for customer_id, *_ in uses],
            meter_ids=[meter_id for _, meter_id, *_ in uses],
            values=[value for *_, value, _ in uses],
            moments=[moment for *_, moment in uses],
        )

        rows = list(zip(*changes, strict=True))
        added = {tuple(row[:3]): ExpectedTotal(*row[3:]) for row in rows}
        assert added == expected_totals(uses)
        assert list(added) == sorted(added)
        assert len(rows) == len(added)
