"""A change of a customer's MRR is of exactly one kind, and the kinds add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.analytics.mrr_changes import CustomerChange, add_change
from billing.models import SubscriptionDay

KINDS = ("new_mrr", "reactivation_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr")


def day_of(*changes: CustomerChange, opening: int = 0) -> SubscriptionDay:
    day = SubscriptionDay(opening_mrr=opening, closing_mrr=opening)
    for change in changes:
        add_change(day, change)
    return day


@pytest.mark.parametrize(
    ("before", "after", "had_mrr", "kind", "amount"),
    [
        (0, 10, False, "new_mrr", 10),
        (0, 10, True, "reactivation_mrr", 10),
        (10, 15, True, "expansion_mrr", 5),
        (15, 10, True, "contraction_mrr", 5),
        (10, 0, True, "churned_mrr", 10),
        (10, 10, True, "", 0),
        (0, 0, True, "", 0),
    ],
)
def test_a_change_has_one_kind(
    before: int, after: int, had_mrr: bool, kind: str, amount: int
) -> None:
    day = day_of(CustomerChange(before=before, after=after, had_mrr=had_mrr), opening=before)
    counted = {name: getattr(day, name) for name in KINDS if getattr(day, name)}
    assert counted == ({kind: amount} if kind else {})
    assert day.closing_mrr == after


def test_a_failed_payment_is_told_apart_from_a_cancellation() -> None:
    day = day_of(
        CustomerChange(before=10, after=0, had_mrr=True, is_past_due=True),
        CustomerChange(before=7, after=0, had_mrr=True),
        opening=17,
    )
    assert (day.churned_mrr, day.churned_past_due_mrr, day.churned_customers) == (17, 10, 2)


def test_a_recovery_is_told_apart_from_a_return() -> None:
    day = day_of(
        CustomerChange(before=0, after=10, had_mrr=True, was_past_due=True),
        CustomerChange(before=0, after=7, had_mrr=True),
    )
    assert (day.reactivation_mrr, day.recovered_mrr, day.reactivated_customers) == (17, 10, 2)


CHANGES = st.lists(
    st.builds(
        CustomerChange,
        before=st.integers(0, 10**12),
        after=st.integers(0, 10**12),
        had_mrr=st.booleans(),
        was_past_due=st.booleans(),
        is_past_due=st.booleans(),
    )
)


@given(CHANGES)
def test_the_kinds_add_up(changes: list[CustomerChange]) -> None:
    opening = sum(change.before for change in changes)
    day = day_of(*changes, opening=opening)
    gained = day.new_mrr + day.reactivation_mrr + day.expansion_mrr
    assert opening + gained - day.contraction_mrr - day.churned_mrr == day.closing_mrr
    assert day.closing_mrr == sum(change.after for change in changes)
    assert day.churned_past_due_mrr <= day.churned_mrr
    assert day.recovered_mrr <= day.reactivation_mrr
