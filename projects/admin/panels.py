"""The parts of a customer's page. Apps above this one add theirs when the process starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from common.admin.sections import Section
from projects.models import Customer

Panel = Callable[[HttpRequest, Customer, datetime], list[Section]]
"""The tables to show for one customer at one moment, in a fixed number of queries."""

MOST = 10
"""Rows that a table on a customer's page shows; the rest is one click away."""


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
_acts: dict[str, Act] = {}


def register(panel: Panel, *, name: str, order: int) -> None:
    """Show this panel on every customer's page, by ascending ``order``."""
    _panels[name] = (order, panel)


def register_act(act: Act) -> None:
    """Offer this dialog on every customer's page."""
    _acts[act.name] = act


def sections(request: HttpRequest, customer: Customer, at: datetime) -> list[Section]:
    ordered = sorted(_panels.values(), key=lambda entry: entry[0])
    return [section for _, panel in ordered for section in panel(request, customer, at)]


def acts() -> list[Act]:
    return list(_acts.values())
