"""The application for the web server: `python -m config.serve config.rsgi:application`."""

from threading import Thread

from config.orphans import end_with_parent
from config.serve import load_code
from config.wsgi import application as wsgi  # sets Django up, which the rest needs

from config.server.application import Application  # isort: skip

application = Application(wsgi)

end_with_parent()
Thread(target=load_code, name="warm up", daemon=True).start()
