"""Tables of related rows on a row's page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Button:
    """Opens a dialog. ``href`` is the dialog's address."""

    label: str
    href: str
    icon: str = ""
    primary: bool = False

    def render(self) -> SafeString:
        """For a cell of a table."""
        return render_to_string("console/button.html", {"button": self})


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table. ``right`` names the columns of numbers, counted from 0, ``prose`` those of
    text that may run over several lines."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = "None."
    note: str = ""
    more: str = ""
    """Where all rows are, when only the newest are shown."""
    right: Sequence[int] = ()
    prose: Sequence[int] = ()
    buttons: Sequence[Button] = ()
