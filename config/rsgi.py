"""The application for the web server: `granian --interface rsgi config.rsgi:application`."""

import gc

from config.orphans import end_with_parent
from config.wsgi import application as wsgi  # sets Django up, which the rest needs

from config.server.application import Application  # isort: skip

application = Application(wsgi)

gc.freeze()  # loaded modules stay for ever: no collection needs to scan them
end_with_parent()
