"""Events of features, of what users may do, and of how much they use."""

FEATURE_CREATED = "feature.created", "A feature was created."
FEATURE_UPDATED = "feature.updated", "A feature's name or unit changed, or it was restored."
FEATURE_ARCHIVED = (
    "feature.archived",
    "A feature was archived: new grants and products cannot use it. Its holders keep it.",
)

FREE_TIER_UPDATED = (
    "free_tier.updated",
    "The features that every user has without a purchase changed.",
)

METER_CREATED = "meter.created", "A meter was created."
METER_UPDATED = "meter.updated", "A meter's name or unit changed, or it was restored."
METER_ARCHIVED = "meter.archived", "A meter was archived: it takes no new records."

ENTITLEMENTS_CHANGED = (
    "entitlements.changed",
    "What a user may do has changed: at least one decision differs from the last event's.",
)
USER_PERMISSIONS_CHANGED = (
    "user.permissions_changed",
    "The permissions that a user has by the project's permission map have changed.",
)

GRANT_CREATED = "grant.created", "A feature or product was granted by hand."
GRANT_REVOKED = "grant.revoked", "A grant was revoked."
GRANT_EXPIRED = "grant.expired", "A grant reached its end."

USAGE_THRESHOLD_REACHED = "usage.threshold_reached", "80 % of a limit is used."
USAGE_LIMIT_REACHED = "usage.limit_reached", "A limit is used up."
USAGE_VOIDED = "usage.voided", "A usage record was voided: it no longer counts."
USAGE_CORRECTED = (
    "usage.corrected",
    "A usage record was replaced by one with another value: see `corrects`.",
)
USAGE_REFUSED = (
    "usage.refused",
    "Stripe does not count reported usage, so it will not be billed: money is lost.",
)
USAGE_VOID_REFUSED = (
    "usage.void_refused",
    "Stripe bills usage although it was voided: give the customer a credit.",
)
USAGE_EXPIRED = (
    "usage.expired",
    "Usage was too old when its customer was created at Stripe, so it will not be billed.",
)

RESERVATION_EXPIRED = (
    "reservation.expired",
    "A reservation was neither committed nor released in time: its amount is free again.",
)
