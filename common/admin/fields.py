"""Form fields of dialogs in the style of the console. Times are entered and interpreted as UTC."""

from collections.abc import Iterable
from typing import Any

from django import forms
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

Choices = Iterable[tuple[str, str]]


def text(**kwargs: Any) -> forms.CharField:
    return forms.CharField(widget=UnfoldAdminTextInputWidget(), **kwargs)


def paragraph(*, rows: int = 3, **kwargs: Any) -> forms.CharField:
    return forms.CharField(widget=UnfoldAdminTextareaWidget(attrs={"rows": rows}), **kwargs)


def secret(**kwargs: Any) -> forms.CharField:
    """A secret to type or paste; it is never shown again."""
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}, render_value=False)
    return forms.CharField(widget=widget, **kwargs)


def choice(choices: Choices = (), **kwargs: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(choices), widget=UnfoldAdminSelectWidget(), **kwargs)


def flag(**kwargs: Any) -> forms.BooleanField:
    """A checkbox that is off by default."""
    return forms.BooleanField(required=False, widget=UnfoldBooleanWidget(), **kwargs)


def many(choices: Choices = (), **kwargs: Any) -> forms.MultipleChoiceField:
    widget = UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.MultipleChoiceField(choices=list(choices), widget=widget, **kwargs)


def moment(*, help_text: str, **kwargs: Any) -> forms.DateTimeField:
    widget = forms.DateTimeInput(
        format="%Y-%m-%dT%H:%M",
        attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)},
    )
    return forms.DateTimeField(
        required=False, widget=widget, help_text=f"UTC. {help_text}", **kwargs
    )
