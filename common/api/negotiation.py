"""This service answers JSON, whatever the ``Accept`` header asks for."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AlwaysJSON(DefaultContentNegotiation):
    """A caller that asks for HTML or XML gets JSON, and a problem document is never refused."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, Any]:
        chosen = next(iter(renderers))
        return chosen, chosen.media_type
