"""Template tags and filters of the console; other rendering is in `common.admin`."""

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
    """The age in one unit: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
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
    """Tables below a row's fields; a row that is being added has none."""
    page_sections: Sequence[Section] = page.sections(request, row) if row is not None else ()
    return page_sections


@register.simple_tag
def buttons_of(page: Any, request: HttpRequest, row: Model | None) -> Sequence[Button]:
    """Buttons above a row's fields."""
    page_buttons: Sequence[Button] = page.buttons(request, row) if row is not None else ()
    return page_buttons
