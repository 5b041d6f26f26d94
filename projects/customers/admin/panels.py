"""Registry of the customer page's panels and actions; apps above register theirs in their
``admin`` modules, which only processes with the console load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from common import combined_lists
from common.admin.sections import Section
from common.combined_lists import RowList
from projects.models import Customer

Rows = Mapping[str, list[Any]]
"""Rows by the name of their list."""

MAX_ROWS = 10
"""Rows of one table; the list page shows the rest."""


@dataclass(frozen=True, slots=True)
class CustomerPanel:
    """Tables on every customer's page.

    ``lists`` names the lists to read; the lists of all panels are read in one query. ``show``
    builds the tables from them, in a fixed number of further queries.
    """

    lists: Callable[[Customer, datetime], Mapping[str, RowList]]
    show: Callable[[HttpRequest, Customer, datetime, Rows], list[Section]]


@dataclass(frozen=True, slots=True)
class CustomerAction:
    """A dialog behind a button of the customer's page.

    ``view`` answers GET with the dialog and POST with the result; the page checks ``permission``
    first.
    """

    name: str
    label: str
    icon: str
    permission: str
    view: Callable[[HttpRequest, Customer], HttpResponse]


_panels: dict[str, tuple[int, CustomerPanel]] = {}
_actions: dict[str, tuple[int, CustomerAction]] = {}


def register(panel: CustomerPanel, *, name: str, order: int) -> None:
    """Show this panel on every customer's page, by ascending ``order``."""
    _panels[name] = (order, panel)


def register_action(action: CustomerAction, *, order: int) -> None:
    """Offer this dialog on every customer's page, by ascending ``order``; the first is the
    primary button."""
    _actions[action.name] = (order, action)


def sections(request: HttpRequest, customer: Customer, at: datetime) -> list[Section]:
    ordered = [panel for _, panel in sorted(_panels.values(), key=lambda entry: entry[0])]
    lists = {
        (number, name): listed
        for number, panel in enumerate(ordered)
        for name, listed in panel.lists(customer, at).items()
    }
    owner = Customer.objects.for_project(customer.project_id).filter(pk=customer.pk)
    lists_by_panel = combined_lists.read(owner, lists)
    return [
        section
        for number, panel in enumerate(ordered)
        for section in panel.show(request, customer, at, _rows_of_panel(number, lists_by_panel))
    ]


def _rows_of_panel(panel: int, lists: Mapping[tuple[int, str], list[Any]]) -> Rows:
    return {name: rows for (number, name), rows in lists.items() if number == panel}


def all_actions() -> list[CustomerAction]:
    return [action for _, action in sorted(_actions.values(), key=lambda entry: entry[0])]
