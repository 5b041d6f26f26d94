"""Buttons of a row's page that depend on its state."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest

from common.admin.pages import ConsoleAdmin

if TYPE_CHECKING:
    Base = ConsoleAdmin
else:
    Base = object


class OfferedActions(Base):
    """Shows only the buttons that the row's state allows. Their services refuse the others anyway:
    the state may have changed since the page was loaded."""

    def refused_actions(self, row: Any) -> Collection[str]:
        """Names of the actions that cannot be carried out on this row."""
        return ()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        actions: list[Any] = super().get_actions_detail(request, object_id)
        row = self.get_object(request, unquote(str(object_id)))
        if row is None:
            return actions
        options = self.opts
        refused = {
            f"{options.app_label}_{options.model_name}_{name}" for name in self.refused_actions(row)
        }
        return [action for action in actions if action.action_name not in refused]
