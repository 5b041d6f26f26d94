"""Rows of the sync queue by state: the values of ``SyncObject.state`` as conditions."""

from django.db.models import F, Q

_PARKED = Q(parked_at__isnull=False)
_BEHIND = Q(applied__lt=F("requested"))
_FOREIGN = Q(foreign_at__isnull=False)

IN_STATE: dict[str, Q] = {
    "waiting": _BEHIND & ~_PARKED,
    "parked": _PARKED,
    "foreign": _FOREIGN & ~_BEHIND & ~_PARKED,
    "applied": ~_FOREIGN & ~_BEHIND & ~_PARKED,
}
