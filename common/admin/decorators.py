"""Unfold's decorators with type annotations."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from unfold import decorators
from unfold.enums import ActionVariant

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def display(*, description: str, ordering: str | None = None) -> Callable[[FunctionT], FunctionT]:
    """A column of a list or a line of a page; ``ordering`` is the field to sort by."""
    decorate: Callable[[FunctionT], FunctionT] = decorators.display(
        description=description, ordering=ordering
    )
    return decorate


def action(
    *,
    description: str,
    permissions: Sequence[str],
    dialog: dict[str, Any] | None = None,
    url_path: str | None = None,
    icon: str | None = None,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[FunctionT], FunctionT]:
    """A button, or an action of a list.

    ``has_x_permission`` decides about the permission ``x``. An action that changes something must
    have a ``dialog``: without one Unfold would run it on GET.
    """
    decorate: Callable[[FunctionT], FunctionT] = decorators.action(
        description=description,
        permissions=permissions,
        dialog=dialog,
        url_path=url_path,
        icon=icon,
        variant=variant,
    )
    return decorate
