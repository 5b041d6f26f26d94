"""Rows of credit grants and accounts; ``lock`` a customer's account before any credits move.

Lock order: customer, then account. Spending locks the account only.
"""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import Q, Sum

from common import fair_queue
from common.errors import NotFound
from common.fair_queue import RetryRule
from common.models import ProjectQuerySet, project_id_of
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues, is_any
from entitlements.models import CreditAccount, CreditEntry, CreditGrant, CreditTransaction
from entitlements.resolution.credit_allocation import CreditBucket, sort_lots
from projects.models import Project

_BALANCES = PreparedValues(
    lambda: (
        CreditGrant.objects.for_project(Parameter("project_id"))
        .filter(is_live(Parameter("at")), is_any("customer_id", "customer_ids"), available__gt=0)
        .values_list("customer_id")
        .annotate(Sum("available"))
    )
)
_SPENDABLE = PreparedQuery(
    lambda: CreditGrant.objects.for_project(Parameter("project_id")).filter(
        is_live(Parameter("at")), customer_id=Parameter("customer_id"), available__gt=0
    )
)
_GRANT = PreparedQuery(
    lambda: CreditGrant.objects.for_project(Parameter("project_id")).filter(pk=Parameter("id")),
    related=["customer"],
)
_LOCKED_ACCOUNT = PreparedQuery(lambda: lock_query(), related=["customer"])  # noqa: PLW0108  # defined below
_OF_SOURCES = PreparedQuery(
    lambda: (
        CreditGrant.objects.for_project(Parameter("project_id"))
        .filter(is_any("source_id", "source_ids"), source_type=Parameter("source_type"))
        .order_by("id")
    )
)
_OF_PERIODS = PreparedQuery(
    lambda: (
        CreditGrant.objects.for_project(Parameter("project_id"))
        .filter(
            is_any("customer_id", "customer_ids"),
            source_type=Parameter("source_type"),
            starts_at__gt=Parameter("since"),
        )
        .order_by("starts_at", "id")
    )
)


def balances(*, project_id: str, customer_ids: Collection[str], at: datetime) -> dict[str, int]:
    """Credits that each of these customers can spend at ``at``: not expired, reserved or
    withheld. One query."""
    balances = dict.fromkeys(customer_ids, 0)
    if balances:
        rows = _BALANCES.rows(project_id=project_id, customer_ids=list(balances), at=at)
        balances |= {customer: int(total) for customer, total in rows}
    return balances


def balance(*, project_id: str, customer_id: str, at: datetime) -> int:
    """Credits that one customer can spend at ``at``. One query."""
    return balances(project_id=project_id, customer_ids=[customer_id], at=at)[customer_id]


def live_grant_ids(*, project_id: str, grant_ids: Collection[str], at: datetime) -> set[str]:
    """The ids of those grants that have not expired at ``at``."""
    rows = CreditGrant.objects.for_project(project_id).filter(is_live(at), pk__in=grant_ids)
    return set(rows.values_list("pk", flat=True))


def spendable_grants(*, project_id: str, customer_id: str, at: datetime) -> list[CreditGrant]:
    """The customer's grants with credits to spend at ``at``, unordered."""
    return _SPENDABLE.rows(project_id=project_id, customer_id=customer_id, at=at)


def account(*, project_id: str, customer_id: str) -> CreditAccount | None:
    """The customer's account; None before the first grant."""
    rows = CreditAccount.objects.for_project(project_id)
    return rows.filter(customer_id=customer_id).first()


def low_at(account: CreditAccount) -> int:
    """The low-balance threshold in credits: the account's own, otherwise a percentage of the
    balance after the last top-up, rounded down."""
    if account.low_at is not None:
        return account.low_at
    return account.topped_up_to * settings.ENTITLEMENTS.credits_low_percent // 100


def lock(*, project_id: str, customer_id: str) -> CreditAccount | None:
    """The customer's account with its customer, locked until the transaction ends; None before
    the first grant."""
    return _LOCKED_ACCOUNT.first(project_id=project_id, customer_id=customer_id)


def lock_query() -> ProjectQuerySet[CreditAccount]:
    """The query of :func:`lock`, with its parameters."""
    rows = CreditAccount.objects.for_project(Parameter("project_id"))
    rows = rows.select_for_update(of=("self",))
    return rows.filter(customer_id=Parameter("customer_id"))


def find_transaction(*, project_id: str, key: str) -> CreditTransaction | None:
    """The spending with this key, with its entries."""
    rows = CreditTransaction.objects.for_project(project_id)
    return rows.filter(key=key).prefetch_related("entries").first()


def reserved_by_grant(
    *, project_id: str, customer_id: str, reference: str
) -> list[tuple[CreditGrant, int]]:
    """Credits that are still reserved under this reference, by grant, in the order of spending."""
    sums = dict(
        CreditEntry.objects.for_project(project_id)
        .filter(
            transaction__reference=reference,
            transaction__customer_id=customer_id,
            bucket=CreditBucket.RESERVED,
        )
        .order_by()
        .values_list("grant_id")
        .annotate(Sum("amount"))
    )
    reserved_by_grant = {grant: int(amount) for grant, amount in sums.items() if amount}
    rows = {
        row.pk: row
        for row in CreditGrant.objects.for_project(project_id).filter(pk__in=reserved_by_grant)
    }
    lots = sort_lots(row.lot for row in rows.values())
    return [(rows[lot.grant], reserved_by_grant[lot.grant]) for lot in lots]


def grant(*, project: Project | str, grant_id: str) -> CreditGrant:
    """The project's grant of credits with its customer; raises NotFound."""
    row = _GRANT.first(project_id=project_id_of(project), id=grant_id)
    if row is None:
        raise NotFound("No credits with this id. GET /credits/{user_id} lists a user's.")
    return row


def grants_of_source(
    *, project: Project | str, source_type: str, source_id: str
) -> list[CreditGrant]:
    """The grants of this source, oldest first."""
    rows = CreditGrant.objects.for_project(project)
    return list(rows.filter(source_type=source_type, source_id=source_id).order_by("id"))


def grants_of_sources(
    *, project: Project | str, source_type: str, source_ids: Collection[str]
) -> dict[str, list[CreditGrant]]:
    """The grants of each source, oldest first, by source id. One query."""
    grants: dict[str, list[CreditGrant]] = {key: [] for key in source_ids}
    if not grants:
        return grants
    for row in _OF_SOURCES.rows(
        project_id=project_id_of(project), source_type=source_type, source_ids=list(grants)
    ):
        grants[row.source_id].append(row)
    return grants


def period_grants(
    *,
    project: Project | str,
    customer_ids: Collection[str],
    source_type: str,
    since: datetime,
) -> dict[str, list[CreditGrant]]:
    """Grants from sources of this type for periods that began after ``since``, in the order of
    these periods, by customer. One query."""
    grants: dict[str, list[CreditGrant]] = {key: [] for key in customer_ids}
    if not grants:
        return grants
    for row in _OF_PERIODS.rows(
        project_id=project_id_of(project),
        customer_ids=list(grants),
        source_type=source_type,
        since=since,
    ):
        grants[row.customer_id].append(row)
    return grants


def due_to_expire(*, at: datetime, limit: int, rule: RetryRule) -> list[CreditGrant]:
    """Expired grants that still hold credits: projects take turns, oldest first, without those
    that wait for a retry by ``rule``."""
    rows = CreditGrant.objects.across_projects().filter(
        Q(available__gt=0) | Q(withheld__gt=0),
        ~fair_queue.is_backing_off(rule, owner="project_id", subject="pk"),
        expires_at__lte=at,
    )
    return fair_queue.round_robin(rows, owner="project_id", order=("expires_at", "pk"), limit=limit)


def is_live(at: datetime | Parameter) -> Q:
    """Grants that have not expired at ``at``."""
    return Q(expires_at__isnull=True) | Q(expires_at__gt=at)
