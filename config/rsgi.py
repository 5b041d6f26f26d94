"""What the web server serves: `granian --interface rsgi config.rsgi:application`."""

import gc

from config.orphans import end_with_parent
from config.wsgi import application as wsgi  # sets Django up, which the rest needs

from config.server.application import Application  # isort: skip

application = Application(wsgi)

gc.freeze()  # what is loaded now stays: no collection has to look at it again
end_with_parent()
