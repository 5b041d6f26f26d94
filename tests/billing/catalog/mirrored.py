"""Read one object from Stripe, and ask what follows from it."""

from django.utils import timezone

from billing.models import StripeAccount, SyncObject
from billing.sync import service as sync
from entitlements.decisions.selectors import decisions
from tests.shop import Shop


def read(account: StripeAccount, kind: str, stripe_id: str | None) -> str:
    """Read one object and return the state of its sync-queue row."""
    sync_id, _ = sync.request_sync(account_id=account.pk, kind=kind, stripe_id=str(stripe_id))
    sync.drain(at=timezone.now())
    return SyncObject.objects.get(pk=sync_id).state


def is_allowed(shop: Shop, feature: str) -> bool:
    answer = decisions.check(
        project=shop.project, user_id="alice", feature=feature, at=timezone.now()
    )
    return answer.allowed
