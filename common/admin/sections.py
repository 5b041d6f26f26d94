"""Tables of related rows on a row's page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Button:
    """Opens the dialog at ``href``."""

    label: str
    href: str
    icon: str = ""
    primary: bool = False

    def render(self) -> SafeString:
        """HTML for a table cell."""
        return render_to_string("console/button.html", {"button": self})


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a title.

    ``right`` lists the columns of numbers, counted from 0; ``prose`` those with text of several
    lines.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = "None."
    note: str = ""
    more: str = ""
    """Address of the complete list, if only the newest rows are shown."""
    right: Sequence[int] = ()
    prose: Sequence[int] = ()
    buttons: Sequence[Button] = ()
