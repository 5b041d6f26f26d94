"""What changes a customer's MRR from one day's end to the next. Pure functions.

A customer's MRR in a currency is the sum of the amounts of the customer's active subscriptions in
it. Its change is exactly one of five kinds, so for every currency and any number of days:
opening + new + reactivation + expansion - contraction - churn = closing.
"""

from dataclasses import dataclass

from billing.models import SubscriptionDay


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChange:
    """A customer's MRR in one currency at the ends of two consecutive days, in minor units.

    ``had_mrr``: whether it was above 0 at the end of any earlier day. ``was_past_due`` and
    ``is_past_due``: whether a subscription of the customer in this currency was past due at the
    end of the first or of the second day.
    """

    before: int
    after: int
    had_mrr: bool
    was_past_due: bool = False
    is_past_due: bool = False


def add_change(day: SubscriptionDay, change: CustomerChange) -> None:
    """Count the customer's change in the row of its day and currency; the opening MRR is not
    touched."""
    before, after = change.before, change.after
    day.closing_mrr += after - before
    day.customers += (after > 0) - (before > 0)
    if after == before:
        return
    if before == 0 and change.had_mrr:
        day.reactivated_customers += 1
        day.reactivation_mrr += after
        day.recovered_mrr += after if change.was_past_due else 0
    elif before == 0:
        day.new_customers += 1
        day.new_mrr += after
    elif after == 0:
        day.churned_customers += 1
        day.churned_mrr += before
        day.churned_past_due_mrr += before if change.is_past_due else 0
    elif after > before:
        day.expansion_mrr += after - before
    else:
        day.contraction_mrr += before - after
