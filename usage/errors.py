"""Errors of meters and usage records."""

from common.errors import Conflict, Invalid


class MeterExists(Conflict):
    code, title = "meter-exists", "The project already has a meter with this code."


class MeterUnknown(Invalid):
    code, title = "meter-unknown", "The project has no meter with this code."


class MeterArchived(Conflict):
    code, title = "meter-archived", "This meter is archived: it takes no new records."


class UsageValueInvalid(Invalid):
    code, title = "usage-value-invalid", "The value is not what this meter counts."


class UsageTooOld(Invalid):
    code, title = "usage-too-old", "The time of the use is too long ago."


class UsageInFuture(Invalid):
    code, title = "usage-in-future", "The time of the use is in the future."


class UsageKeyReused(Conflict):
    code, title = "usage-key-reused", "This key has been used for another record."


class NotConsumable(Conflict):
    code, title = "not-consumable", "This cannot be consumed."


class UsageVoided(Conflict):
    code, title = "usage-voided", "This record was voided or corrected."


class RecordNotRefused(Conflict):
    code, title = "record-not-refused", "Stripe has not refused this record."
