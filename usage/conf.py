from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """Until when a record is taken, and how long it is kept.

    ``late_window`` is how long after the fact a record still counts (Stripe takes none that is
    older than 35 days), ``early_window`` how far a sender's clock may be ahead of ours. Records
    are kept for ``retention``; their hourly totals stay.
    """

    late_window: timedelta = timedelta(days=35)
    early_window: timedelta = timedelta(minutes=5)
    retention: timedelta = timedelta(days=396)
