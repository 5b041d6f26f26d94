"""Compare the sums on credit grants with the entries of the ledger."""

from dataclasses import dataclass

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from entitlements.models import CreditGrant
from entitlements.models.credit_grant import SUMS
from entitlements.models.credit_transaction import CreditEntry
from entitlements.resolution.credit_allocation import CreditBucket

PAGE = 200
"""Grants that are compared by one query."""


@dataclass(frozen=True, slots=True)
class LedgerMismatch:
    """A grant whose sums are not those of its entries."""

    grant_id: str
    project_id: str
    kept: dict[str, int]
    expected: dict[str, int]

    @property
    def differing(self) -> list[str]:
        """Names of the sums that differ."""
        return [name for name in SUMS if self.kept[name] != self.expected[name]]

    def __str__(self) -> str:
        changes = [f"{name} {self.kept[name]} -> {self.expected[name]}" for name in self.differing]
        return f"credits of {self.grant_id}: {', '.join(changes)}"


def check_page(*, after: str, project_id: str = "") -> tuple[int, list[LedgerMismatch], str]:
    """Compare one page of grants after the cursor ``after``: (how many, mismatches, next
    cursor)."""
    rows = CreditGrant.objects.across_projects().filter(pk__gt=after).order_by("pk")
    if project_id:
        rows = rows.filter(project_id=project_id)
    grants = list(rows[:PAGE])
    sums = _sums(CreditEntry.objects.across_projects().filter(grant__in=[g.pk for g in grants]))
    mismatches = []
    for grant in grants:
        stored_sums = {name: int(getattr(grant, name)) for name in SUMS}
        entry_sums = _expected(sums.get(grant.pk, {}))
        if stored_sums != entry_sums:
            mismatches.append(LedgerMismatch(grant.pk, grant.project_id, stored_sums, entry_sums))
    return len(grants), mismatches, grants[-1].pk if len(grants) == PAGE else ""


def _sums(entries: QuerySet[CreditEntry]) -> dict[str, dict[str, int]]:
    by_grant: dict[str, dict[str, int]] = {}
    rows = (
        entries.order_by()
        .values_list("grant_id", "bucket")
        .annotate(total=Coalesce(Sum("amount"), 0))
    )
    for grant_id, bucket, total in rows:
        by_grant.setdefault(grant_id, {})[bucket] = int(total)
    return by_grant


def _expected(sums: dict[str, int]) -> dict[str, int]:
    """The sums by column. ``given`` is the negative of the issued bucket."""
    return {
        name: -sums.get(CreditBucket.ISSUED.value, 0) if name == "given" else sums.get(name, 0)
        for name in SUMS
    }
