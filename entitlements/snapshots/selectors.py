"""The platform's signing keys: the current one, and those that still verify."""

from datetime import datetime

from django.db.models import Q

from entitlements.models import SigningKey


def current() -> SigningKey | None:
    """The key that signs; None before the first use."""
    return SigningKey.objects.filter(retired_at__isnull=True).first()


def published(*, at: datetime) -> list[SigningKey]:
    """The keys whose signatures may still be in use, newest first."""
    is_published = Q(published_until__isnull=True) | Q(published_until__gt=at)
    return list(SigningKey.objects.filter(is_published).order_by("-pk"))


def lock() -> SigningKey | None:
    """The current key, locked until the transaction ends."""
    return SigningKey.objects.select_for_update().filter(retired_at__isnull=True).first()
