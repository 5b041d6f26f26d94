"""The application for the web server: `granian --interface rsgi config.rsgi:application`."""

from importlib import import_module
from importlib.util import find_spec
from threading import Thread

from django.urls import resolve

from common import garbage
from config.orphans import end_with_parent
from config.wsgi import application as wsgi  # sets Django up, which the rest needs

from config.server.application import Application  # isort: skip

application = Application(wsgi)


def _warm_up() -> None:
    """Load what the first requests would wait for: all views, and the schema of GraphQL."""
    resolve("/live")
    if find_spec("strawberry") is not None:  # requirements/graphql.in is installed
        import_module("graph_api.answers")
    garbage.begin_serving()


garbage.begin_serving()
end_with_parent()
Thread(target=_warm_up, name="warm up", daemon=True).start()
