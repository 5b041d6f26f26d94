"""Stripe accounts of projects, with their secret keys and signing secrets.

A project sells through the platform's shared account unless it connects its own account. All its
products live in one account, so it connects before it sells, and a key is replaced only by another
key of the same account. Secrets are encrypted at rest, bound to their row, and never shown again.
"""

import re
import secrets
from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction

from billing import endpoint_cache
from billing.accounts import key_state, publishable_keys
from billing.accounts.selectors import stripe_accounts
from billing.errors import AccountInUse, WrongStripeAccount
from billing.models import Product, StripeAccount, StripeCustomer, StripeEndpoint
from billing.stripe import accounts
from billing.stripe.client import client_for, client_with, is_live
from billing.stripe.errors import StripeCredentialsRefused
from billing.stripe.snapshots import AccountSnapshot
from common import crypto, fair_queue
from common.errors import Conflict, DomainError, Invalid, NotFound
from common.inserts import insert
from common.prepared_queries import Parameter, PreparedQuery
from common.queue import enqueue
from events.audit import audit_trail as audit
from projects.models import Project

log = structlog.get_logger(__name__)

SECRET_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]{4,247}")
SIGNING_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_\-]{8,249}\Z")
TOKEN = re.compile(r"[A-Za-z0-9_\-]{1,64}")
PLATFORM_CACHE_KEYS = {True: "platform:live", False: "platform:test"}
"""Cache keys of the platform's endpoints; no token has this form."""
MAX_LIVE_SECRETS = 2
"""Signing secrets that are valid at the same time: enough for one rotation."""
_PLATFORM_ACCOUNT = PreparedQuery(
    lambda: StripeAccount.objects.filter(project=None, livemode=Parameter("livemode"))
)


class AccountExists(Conflict):
    code, title = "account-exists", "The project has already connected its Stripe account."


def account_for(project: Project) -> StripeAccount:
    """The project's own Stripe account, else the platform's in the project's mode."""
    return stripe_accounts.own(project) or platform_default(livemode=project.livemode)


def platform_default(*, livemode: bool) -> StripeAccount:
    """The platform's shared account in this mode, created at first use."""
    rows = StripeAccount.objects.filter(project=None, livemode=livemode)
    account = _PLATFORM_ACCOUNT.first(livemode=livemode)
    if account is not None:
        return account
    name = f"Platform ({'live' if livemode else 'test'})"
    account = StripeAccount(project=None, livemode=livemode, name=name)
    return account if insert(account) else rows.get()


def platform_endpoint() -> StripeEndpoint:
    """The endpoint of the platform's own account: its address has no token."""
    account = platform_default(livemode=is_live(settings.BILLING.stripe_secret_key))
    endpoint = stripe_accounts.endpoint_of(account)
    if endpoint is None:
        with transaction.atomic():
            account = stripe_accounts.lock(account.pk)
            endpoint = stripe_accounts.endpoint_of(account) or _create_endpoint(account, [])
    return endpoint


def find_endpoint(token: str | None) -> StripeEndpoint:
    """The live endpoint with this token in its address; without a token the platform's own.

    Cached by this process: a closed endpoint or a removed signing secret can be accepted for up to
    five seconds. Raises NotFound for an endpoint that is not live.
    """
    if token is not None and TOKEN.fullmatch(token) is None:
        raise NotFound
    endpoint = find_cached_endpoint(token)
    if endpoint is None:
        cache_read = endpoint_cache.cache.begin()
        endpoint = (
            platform_endpoint() if token is None else stripe_accounts.endpoint_by_token(token)
        )
        if endpoint is None:
            raise NotFound
        endpoint_cache.cache.keep(_cache_key(token), endpoint, read_at=cache_read)
    return endpoint


def find_cached_endpoint(token: str | None) -> StripeEndpoint | None:
    """Like :func:`find_endpoint`, without a query: None if this process has not cached it."""
    return endpoint_cache.cache.find(_cache_key(token))


def _cache_key(token: str | None) -> str:
    return token or PLATFORM_CACHE_KEYS[is_live(settings.BILLING.stripe_secret_key)]


def connect(
    *,
    project: Project,
    secret_key: str,
    signing_secret: str,
    actor: str,
    at: datetime,
    publishable_key: str = "",
    reason: str = "",
) -> StripeAccount:
    """Connect the Stripe account of this key, so that the project sells through it.

    Raises Invalid for a text that is no such key, WrongStripeAccount for a key of the other mode or
    of the platform's own account, AccountInUse when the project already sells through the shared
    account, and the errors of Stripe about the key.
    """
    snapshot = _read_account_of_key(secret_key, livemode=project.livemode)
    _check_signing_secret(signing_secret, required=False)
    if publishable_key:
        publishable_keys.check(publishable_key, livemode=project.livemode)
    if stripe_accounts.own(project) is not None:
        raise AccountExists("Replace its key with PATCH instead.")
    if _sells_through_shared(project):
        raise AccountInUse("Connect a Stripe account before you create the first product.")
    if snapshot.stripe_id == _shared_stripe_id(livemode=project.livemode):
        raise WrongStripeAccount(
            "This is the platform's account. A project without an account of its own uses it "
            "already."
        )
    account = StripeAccount(
        project=project, livemode=project.livemode, publishable_key=publishable_key
    )
    _store_key(account, snapshot, secret_key)
    with transaction.atomic():
        if not insert(account):
            raise AccountExists("Replace its key with PATCH instead.")
        _create_endpoint(account, [signing_secret] if signing_secret else [])
        _audit(account, "stripe_account.connect", actor, at, reason)
        enqueue("billing.check_permissions")
    return account


def rotate_key(
    *, account: StripeAccount, secret_key: str, actor: str, at: datetime, reason: str = ""
) -> StripeAccount:
    """Use another key of the same Stripe account. Raises WrongStripeAccount for any other."""
    snapshot = _read_account_of_key(secret_key, livemode=account.livemode)
    with transaction.atomic():
        account = stripe_accounts.lock(account.pk)
        if snapshot.stripe_id != account.stripe_id:
            raise WrongStripeAccount(f"Send a secret key of {account.stripe_id}.")
        _store_key(account, snapshot, secret_key)
        account.save()
        key_state.record(account, is_refused=False, at=at)
        fair_queue.resume(owner=account.pk)
        enqueue("billing.check_permissions")
        _forget_endpoints()
        _audit(account, "stripe_account.rotate_key", actor, at, reason)
    return account


def add_signing_secret(
    *, account: StripeAccount, signing_secret: str, actor: str, at: datetime, reason: str = ""
) -> StripeEndpoint:
    """Add a signing secret; only the previous one stays valid beside it."""
    _check_signing_secret(signing_secret, required=True)
    with transaction.atomic():
        endpoint = stripe_accounts.lock_endpoint(account)
        sealed = crypto.encrypt(signing_secret, context=endpoint.secret_context)
        endpoint.secrets = [sealed, *endpoint.secrets][:MAX_LIVE_SECRETS]
        endpoint.save(update_fields=["secrets"])
        _forget_endpoints()
        _audit(account, "stripe_account.add_signing_secret", actor, at, reason)
    return endpoint


def check_keys() -> int:
    """Compare the account of each key with the account of our rows.

    Returns the number of keys that could not be confirmed. ``/health`` and the console show keys of
    another account.
    """
    platform_key = settings.BILLING.stripe_secret_key
    if platform_key:
        platform_default(livemode=is_live(platform_key))
    unconfirmed = 0
    for account in stripe_accounts.with_key():
        try:
            client_for(account)
        except DomainError as error:
            unconfirmed += 1
            log.warning("stripe_key_not_confirmed", account=account.pk, error=error.code)
    return unconfirmed


def resume(*, account: StripeAccount, actor: str, at: datetime, reason: str = "") -> int:
    """End the back-off of all requests of this account and check its key's permissions; returns how
    many kinds of requests waited."""
    with transaction.atomic():
        account = stripe_accounts.lock(account.pk)
        count = fair_queue.resume(owner=account.pk)
        account.permissions_checked_at = None
        account.save(update_fields=["permissions_checked_at", "updated_at"])
        _audit(account, "stripe_account.try_again", actor, at, reason)
        enqueue("billing.check_permissions")
        enqueue("billing.sync")
    return count


def _forget_endpoints() -> None:
    transaction.on_commit(endpoint_cache.forget, robust=True)


def _read_account_of_key(secret_key: str, *, livemode: bool) -> AccountSnapshot:
    """The account that this key opens, read from Stripe."""
    shape = SECRET_KEY.fullmatch(secret_key)
    if shape is None:
        raise Invalid("Send a secret key (sk_…) or a restricted key (rk_…).", field="secret_key")
    if (shape[1] == "live") != livemode:
        mode = "live" if livemode else "test"
        raise WrongStripeAccount(f"This project is {mode}: send a {mode} key.")
    return accounts.current(client_with(secret_key))


def _shared_stripe_id(*, livemode: bool) -> str | None:
    """Stripe's id of the platform's shared account. No project may connect it as its own: it would
    own the objects of all other projects."""
    account = platform_default(livemode=livemode)
    if not account.stripe_id:
        try:
            client_for(account)  # pins it
        except StripeCredentialsRefused:
            return None
    return account.stripe_id


def _check_signing_secret(signing_secret: str, *, required: bool) -> None:
    if (signing_secret or required) and not SIGNING_SECRET.match(signing_secret):
        raise Invalid("A signing secret starts with whsec_.", field="signing_secret")


def _sells_through_shared(project: Project) -> bool:
    return (
        Product.objects.for_project(project).exists()
        or StripeCustomer.objects.for_project(project).exists()
    )


def _store_key(account: StripeAccount, snapshot: AccountSnapshot, secret_key: str) -> None:
    account.name = (snapshot.name or snapshot.stripe_id)[:120]
    account.stripe_id = snapshot.stripe_id
    account.secret_key = crypto.encrypt(secret_key, context=account.key_context)
    account.secret_key_last_four = secret_key[-4:]


def _create_endpoint(account: StripeAccount, signing_secrets: list[str]) -> StripeEndpoint:
    endpoint = StripeEndpoint(account=account, token=secrets.token_urlsafe(32))
    endpoint.secrets = [
        crypto.encrypt(signing_secret, context=endpoint.secret_context)
        for signing_secret in signing_secrets
    ]
    endpoint.save(force_insert=True)
    return endpoint


def _audit(account: StripeAccount, action: str, actor: str, at: datetime, reason: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=account.pk,
        project_id=account.project_id,
        at=at,
        reason=reason,
        after={"stripe_account": account.stripe_id, "key": f"…{account.secret_key_last_four}"},
    )
