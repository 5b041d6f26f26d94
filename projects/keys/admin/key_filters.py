"""Keys by state: the words of ``projects.keys.admin.keys.state``, as conditions in SQL."""

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import Q
from django.db.models.functions import Now

from common.admin import filters

_REVOKED = Q(revoked_at__isnull=False)
_EXPIRED = Q(expires_at__lte=Now())


class KeyStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions: ClassVar[Mapping[str, Q]] = {
        "active": ~_REVOKED & (Q(expires_at__isnull=True) | Q(expires_at__gt=Now())),
        "expired": ~_REVOKED & _EXPIRED,
        "revoked": _REVOKED,
    }
