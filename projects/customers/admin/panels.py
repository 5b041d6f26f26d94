"""The parts of a customer's page. Apps above this one add theirs when the process starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from common import together
from common.admin.sections import Section
from common.together import Listed
from projects.models import Customer

Rows = Mapping[str, list[Any]]
"""What was found of each list, by its name."""

MOST = 10
"""Rows that a table on a customer's page shows; the rest is one click away."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Tables on every customer's page.

    ``lists`` names what it shows at one moment: the lists of all panels are read in one query.
    ``show`` makes the tables of them, in a fixed number of further queries.
    """

    lists: Callable[[Customer, datetime], Mapping[str, Listed]]
    show: Callable[[HttpRequest, Customer, datetime, Rows], list[Section]]


@dataclass(frozen=True, slots=True)
class Act:
    """A dialog that a button on the customer's page opens.

    ``view`` answers GET with the dialog and POST with what became of it; the page has checked
    ``permission`` before it is called.
    """

    name: str
    label: str
    icon: str
    permission: str
    view: Callable[[HttpRequest, Customer], HttpResponse]


_panels: dict[str, tuple[int, Panel]] = {}
_acts: dict[str, tuple[int, Act]] = {}


def register(panel: Panel, *, name: str, order: int) -> None:
    """Show this panel on every customer's page, by ascending ``order``."""
    _panels[name] = (order, panel)


def register_act(act: Act, *, order: int) -> None:
    """Offer this dialog on every customer's page, by ascending ``order``; the first stands out."""
    _acts[act.name] = (order, act)


def sections(request: HttpRequest, customer: Customer, at: datetime) -> list[Section]:
    ordered = [panel for _, panel in sorted(_panels.values(), key=lambda entry: entry[0])]
    lists = {
        (number, name): listed
        for number, panel in enumerate(ordered)
        for name, listed in panel.lists(customer, at).items()
    }
    owner = Customer.objects.for_project(customer.project_id).filter(pk=customer.pk)
    found = together.read(owner, lists)
    return [
        section
        for number, panel in enumerate(ordered)
        for section in panel.show(request, customer, at, _of(number, found))
    ]


def _of(panel: int, found: Mapping[tuple[int, str], list[Any]]) -> Rows:
    return {name: rows for (number, name), rows in found.items() if number == panel}


def acts() -> list[Act]:
    return [act for _, act in sorted(_acts.values(), key=lambda entry: entry[0])]
