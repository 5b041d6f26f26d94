"""The console's palette (Ctrl+K): paste an id, ours or Stripe's, a user_id or an e-mail address."""

from collections.abc import Iterable, Iterator

from django.db.models import Model, Q
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from common.admin import columns
from common.admin.pages import everywhere
from common.ids import PublicIdField
from console.sidebar import sidebar_entries, view_permission

MOST = 5
"""Results per kind of row."""
OTHER_NAMES = ("stripe_id", "event_id", "stripe_object_id", "user_id", "email", "slug", "code")
"""Fields besides the key by which a row is known outside."""


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows that are called exactly this, among those that the operator may see."""
    wanted = request.GET.get("s", term).strip()
    if not 3 <= len(wanted) <= 255 or "\x00" in wanted:
        return []
    return [
        SearchResult(
            title=str(row),
            description=f"{row._meta.verbose_name} {row.pk}".capitalize(),
            link=columns.url(row),
            icon=sidebar_entries()[type(row)].icon,
        )
        for row in _rows(request, wanted)
    ]


def _rows(request: HttpRequest, wanted: str) -> Iterator[Model]:
    for model in sidebar_entries():
        if not request.user.has_perm(view_permission(model)):
            continue
        called = _called(model, wanted)
        if called:
            yield from everywhere(model).filter(called)[:MOST]


def _called(model: type[Model], wanted: str) -> Q:
    names = {field.name for field in model._meta.concrete_fields}
    called = Q()
    for name in _known(names):
        called |= Q(**{name: wanted})
    key = model._meta.pk
    if isinstance(key, PublicIdField) and wanted.startswith(f"{key.prefix}_"):
        called |= Q(pk=wanted)
    return called


def _known(names: Iterable[str]) -> list[str]:
    return [name for name in OTHER_NAMES if name in names]
