"""The platform's keys for signing: the one that signs now, and those that verify."""

from datetime import datetime

from django.db.models import Q

from entitlements.models import SigningKey


def current() -> SigningKey | None:
    """The one that signs; None before the first use."""
    return SigningKey.objects.filter(retired_at__isnull=True).first()


def published(*, at: datetime) -> list[SigningKey]:
    """The current one and those whose signatures may still be in use, newest first."""
    still = Q(published_until__isnull=True) | Q(published_until__gt=at)
    return list(SigningKey.objects.filter(still).order_by("-pk"))


def lock() -> SigningKey | None:
    """The current one's row, locked until the transaction ends."""
    return SigningKey.objects.select_for_update().filter(retired_at__isnull=True).first()
