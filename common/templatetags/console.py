"""What the console's templates say in one word; the rest of the look is in `common.admin`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.template import Library
from django.urls import reverse
from django.utils.safestring import SafeString

from common.admin import columns
from common.admin.sections import Button, Section

register = Library()
register.filter("badge", columns.badge)
register.filter("moment", columns.moment)
register.filter("document", columns.document)
register.simple_tag(columns.listing, name="listing")
register.simple_tag(columns.page, name="page")
register.simple_tag(columns.money, name="money")

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@register.filter
def linked(row: Model | None, text: Any = None) -> SafeString | str:
    return columns.link(row, text)


@register.filter
def age(since: datetime, now: datetime) -> str:
    """``12 s``, ``5 min``, ``3 h``, ``2 d``: one unit is enough to know how bad it is."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.simple_tag
def dialog(action: str, pk: str) -> str:
    """The address of a row's dialog; ``action`` is ``app_model_method``."""
    return reverse(f"admin:{action}", args=[quote(pk)])


@register.simple_tag
def sections_of(page: Any, request: HttpRequest, row: Model | None) -> Sequence[Section]:
    """The tables below a row's own fields; a row that is being added has none."""
    found: Sequence[Section] = page.sections(request, row) if row is not None else ()
    return found


@register.simple_tag
def buttons_of(page: Any, request: HttpRequest, row: Model | None) -> Sequence[Button]:
    """The dialogs that a row's page offers above its fields."""
    found: Sequence[Button] = page.buttons(request, row) if row is not None else ()
    return found
