from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """Which records are accepted, and how long they are kept.

    ``late_window``: age at which a record is no longer accepted (Stripe refuses more than 35 days).
    ``early_window``: how far a sender's clock may be ahead. ``retention``: how long records are
    kept; hourly totals stay.
    """

    late_window: timedelta = timedelta(days=35)
    early_window: timedelta = timedelta(minutes=5)
    retention: timedelta = timedelta(days=396)
