"""The console's search palette (Ctrl+K): finds rows by id, user_id or e-mail address."""

from collections.abc import Iterator

from django.db.models import Model, Q
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from common.admin import columns
from common.admin.pages import everywhere
from common.ids import PublicIdField
from console.sidebar import sidebar_entries, view_permission

MAX_RESULTS_PER_MODEL = 5
SEARCHED_FIELDS = ("stripe_id", "event_id", "stripe_object_id", "user_id", "email", "slug", "code")
"""Fields besides the primary key that identify a row outside of the database."""


def find(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows with exactly this identifier, among those that the operator may see."""
    identifier = request.GET.get("s", term).strip()
    if not 3 <= len(identifier) <= 255 or "\x00" in identifier:
        return []
    return [
        SearchResult(
            title=str(row),
            description=f"{row._meta.verbose_name} {row.pk}".capitalize(),
            link=columns.url(row),
            icon=sidebar_entries()[type(row)].icon,
        )
        for row in _find_rows(request, identifier)
    ]


def _find_rows(request: HttpRequest, identifier: str) -> Iterator[Model]:
    for model in sidebar_entries():
        if not request.user.has_perm(view_permission(model)):
            continue
        matches = _matching(model, identifier)
        if matches:
            yield from everywhere(model).filter(matches)[:MAX_RESULTS_PER_MODEL]


def _matching(model: type[Model], identifier: str) -> Q:
    """The condition that one of the model's identifying fields equals the identifier. Empty for a
    model without such a field."""
    names = {field.name for field in model._meta.concrete_fields}
    matches = Q()
    for name in SEARCHED_FIELDS:
        if name in names:
            matches |= Q(**{name: identifier})
    key = model._meta.pk
    if isinstance(key, PublicIdField) and identifier.startswith(f"{key.prefix}_"):
        matches |= Q(pk=identifier)
    return matches
