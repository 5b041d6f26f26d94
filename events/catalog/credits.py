"""Events of credits."""

CREDITS_GRANTED = (
    "credits.granted",
    "Credits were given: by hand, with a purchase or a paid period, or after a failed refund.",
)
CREDITS_UPDATED = (
    "credits.updated",
    "What is due of a grant of credits, its expiry or its status changed; no credits moved.",
)
CREDITS_WITHHELD = (
    "credits.withheld",
    "Credits cannot be spent now: their payment is disputed or overdue, or they are paused.",
)
CREDITS_RESTORED = "credits.restored", "Withheld credits can be spent again."
CREDITS_REVOKED = (
    "credits.revoked",
    "Credits were taken back, by hand or because they are no longer paid.",
)
CREDITS_EXPIRED = "credits.expired", "What was left of a grant of credits has expired."
CREDITS_LOW = "credits.low", "A balance of credits fell to its low mark."
CREDITS_EXHAUSTED = "credits.exhausted", "A balance of credits is used up."
