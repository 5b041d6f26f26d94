"""The keys of the platform's own automation."""

from projects.models import PlatformKey


def lock(*, key_id: str) -> PlatformKey:
    """The key's row, locked until the transaction ends."""
    return PlatformKey.objects.select_for_update().get(pk=key_id)
