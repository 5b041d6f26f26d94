"""Exit 0 when the web server of this container answers that it lives."""

import http.client
import os
import sys
from http import HTTPStatus

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["GRANIAN_PORT"]), timeout=2)
connection.request("GET", "/live", headers={"Host": os.environ["ALLOWED_HOSTS"].split(",")[0]})
sys.exit(connection.getresponse().status != HTTPStatus.OK)
