"""Credits as the ledger has them; ``lock`` a customer's account before any of them moves.

The account's lock comes after the customer's, and spending never takes that one.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import Q, Sum

from common import fair_queue
from common.errors import NotFound
from common.fair_queue import RetryRule
from entitlements.models import CreditAccount, CreditEntry, CreditGrant, CreditTransaction
from entitlements.resolution.credit_allocation import Bucket, in_order
from projects.models import Project


def balances(*, project_id: str, customer_ids: Collection[str], at: datetime) -> dict[str, int]:
    """What each of these customers can spend at ``at``: neither expired, nor reserved, nor
    withheld. One query."""
    rows = (
        CreditGrant.objects.for_project(project_id)
        .filter(is_live(at), customer_id__in=customer_ids, available__gt=0)
        .values_list("customer_id")
        .annotate(Sum("available"))
    )
    return dict.fromkeys(customer_ids, 0) | {customer: int(total) for customer, total in rows}


def balance(*, project_id: str, customer_id: str, at: datetime) -> int:
    """As :func:`balances` for one customer."""
    return balances(project_id=project_id, customer_ids=[customer_id], at=at)[customer_id]


def live(*, project_id: str, grant_ids: Collection[str], at: datetime) -> set[str]:
    """Which of these grants have not expired at ``at``."""
    rows = CreditGrant.objects.for_project(project_id).filter(is_live(at), pk__in=grant_ids)
    return set(rows.values_list("pk", flat=True))


def spendable(*, project_id: str, customer_id: str, at: datetime) -> list[CreditGrant]:
    """The customer's grants that have something to spend at ``at``, in no order."""
    rows = CreditGrant.objects.for_project(project_id).filter(customer_id=customer_id)
    return list(rows.filter(is_live(at), available__gt=0))


def account(*, project_id: str, customer_id: str) -> CreditAccount | None:
    """The customer's account; None before the first grant."""
    rows = CreditAccount.objects.for_project(project_id)
    return rows.filter(customer_id=customer_id).first()


def low_at(account: CreditAccount) -> int:
    """From how many credits down the balance is low: the account's own number, else a part of
    what there was after the last top-up, rounded down."""
    if account.low_at is not None:
        return account.low_at
    return account.topped_up_to * settings.ENTITLEMENTS.credits_low_percent // 100


def lock(*, project_id: str, customer_id: str) -> CreditAccount | None:
    """The customer's account with its customer, locked until the transaction ends; None before
    the first grant."""
    rows = CreditAccount.objects.for_project(project_id).select_for_update(of=("self",))
    return rows.filter(customer_id=customer_id).select_related("customer").first()


def find_transaction(*, project_id: str, key: str) -> CreditTransaction | None:
    """The spending that was made under this key."""
    rows = CreditTransaction.objects.for_project(project_id)
    return rows.filter(key=key).prefetch_related("entries").first()


def reserved(*, project_id: str, customer_id: str, reference: str) -> list[tuple[CreditGrant, int]]:
    """What is still reserved under this reference, by grant, in the order of spending."""
    sums = dict(
        CreditEntry.objects.for_project(project_id)
        .filter(
            transaction__reference=reference,
            transaction__customer_id=customer_id,
            bucket=Bucket.RESERVED,
        )
        .order_by()
        .values_list("grant_id")
        .annotate(Sum("amount"))
    )
    held = {grant: int(amount) for grant, amount in sums.items() if amount}
    rows = {row.pk: row for row in CreditGrant.objects.for_project(project_id).filter(pk__in=held)}
    ranked = in_order(row.lot for row in rows.values())
    return [(rows[lot.grant], held[lot.grant]) for lot in ranked]


def grant(*, project: Project | str, grant_id: str) -> CreditGrant:
    """The project's grant of credits with its customer; raises NotFound."""
    rows = CreditGrant.objects.for_project(project).select_related("customer")
    found = rows.filter(pk=grant_id).first()
    if found is None:
        raise NotFound("No credits with this id. GET /credits/{user_id} lists a user's.")
    return found


def grants_of(*, project: Project | str, source_type: str, source_id: str) -> list[CreditGrant]:
    """What came from this source, the oldest first."""
    rows = CreditGrant.objects.for_project(project)
    return list(rows.filter(source_type=source_type, source_id=source_id).order_by("id"))


def grants_of_many(
    *, project: Project | str, source_type: str, source_ids: Collection[str]
) -> dict[str, list[CreditGrant]]:
    """By source, what came from it, the oldest first. One query."""
    rows = CreditGrant.objects.for_project(project).filter(
        source_type=source_type, source_id__in=source_ids
    )
    found: dict[str, list[CreditGrant]] = {key: [] for key in source_ids}
    for row in rows.order_by("id"):
        found[row.source_id].append(row)
    return found


def plans_of(
    *,
    project: Project | str,
    customer_ids: Collection[str],
    source_type: str,
    since: datetime,
) -> dict[str, list[CreditGrant]]:
    """By customer, the grants from sources of this type for periods that began after ``since``, in
    the order in which these began. One query."""
    rows = CreditGrant.objects.for_project(project).filter(
        customer_id__in=customer_ids, source_type=source_type, starts_at__gt=since
    )
    found: dict[str, list[CreditGrant]] = {key: [] for key in customer_ids}
    for row in rows.order_by("starts_at", "id"):
        found[row.customer_id].append(row)
    return found


def due_to_expire(*, at: datetime, limit: int, rule: RetryRule) -> list[CreditGrant]:
    """Grants that have expired with something left in them, by turns of their projects, the oldest
    first; without those that wait by ``rule``."""
    rows = CreditGrant.objects.across_projects().filter(
        Q(available__gt=0) | Q(withheld__gt=0),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"),
        expires_at__lte=at,
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("expires_at", "pk"), limit=limit)


def is_live(at: datetime) -> Q:
    """Grants that have not expired at ``at``."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=at)
