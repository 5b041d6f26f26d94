"""Errors of meters and usage records."""

from common.errors import Conflict, Invalid


class MeterExists(Conflict):
    code, title = "meter-exists", "The project already has a meter with this code."


class MeterUnknown(Invalid):
    code, title = "meter-unknown", "The project has no meter with this code."


class MeterArchived(Conflict):
    code, title = "meter-archived", "This meter is archived; it counts nothing new."


class UsageValueInvalid(Invalid):
    code, title = "usage-value-invalid", "The value is not what this meter counts."


class UsageTooOld(Invalid):
    code, title = "usage-too-old", "The use was too long ago to be counted now."


class UsageInFuture(Invalid):
    code, title = "usage-in-future", "The use lies in the future."


class UsageKeyReused(Conflict):
    code, title = "usage-key-reused", "This key has been used for another record."


class NotConsumable(Conflict):
    code, title = "not-consumable", "This cannot be consumed."


class UsageVoided(Conflict):
    code, title = "usage-voided", "This record does not count any more."


class RecordNotRefused(Conflict):
    code, title = "record-not-refused", "Stripe has not refused this record."
