"""The sidebar's words in the titles of pages."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model
from django.db.models.options import Options
from django.template import Library
from django.utils.text import capfirst

from console.sidebar import entries_by_address, sidebar_entries

register = Library()


@register.filter
def list_title(options: "Options[Model]") -> str:
    """The title of the list of the rows of a model with these options."""
    entry = sidebar_entries().get(options.model)
    return entry.title if entry else capfirst(str(options.verbose_name_plural))


@register.simple_tag
def crumbs(parts: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The parts of a heading, as Unfold's tag ``header_title`` passes them: the first two are an
    app and a list, and get the sidebar's words for them."""
    entry = entries_by_address().get(str(parts[1].get("link"))) if len(parts) > 1 else None
    if entry is None:
        return parts
    return [{"title": entry.group.value}, {**parts[1], "title": entry.title}, *parts[2:]]
