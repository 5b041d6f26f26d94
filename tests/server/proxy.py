"""Run our nginx configuration on free ports in front of a given server."""

import getpass
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from devtools.processes import free_port
from devtools.stack.readiness import responds
from tests.nginx import executable
from tests.waiting import PATIENCE

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "nginx"
START_SECONDS = 30


def write_configuration(
    directory: Path,
    *,
    server: str,
    upstream: int,
    ports: dict[str, int],
    replaced: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the files of ``deploy/nginx`` as they stand in the container, for this machine."""
    replacements = {
        "server web:8000 ": f"server 127.0.0.1:{upstream} ",
        "/tmp/": f"{directory}/",  # first: the place itself is there
        "/etc/nginx/": f"{directory}/",
        **replaced,
        **{f"listen {original}": f"listen 127.0.0.1:{port}" for original, port in ports.items()},
    }
    (directory / "tollgate").mkdir()
    for name, target in [
        ("nginx.conf", "nginx.conf"),
        ("tollgate.conf", "tollgate-server.conf"),
        (server, "tollgate/server.conf"),
    ]:
        text = (CONFIGURATION / name).read_text()
        for original, replacement in replacements.items():
            text = text.replace(original, replacement)
        (directory / target).write_text(text)
    return directory / "nginx.conf"


@contextmanager
def proxy(
    directory: Path,
    *,
    upstream: int,
    server: str = "plain.conf",
    replaced: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[int]:
    """Run nginx with ``plain.conf``, or another server, in front of the port; yield its own."""
    port = free_port()
    main = write_configuration(
        directory, server=server, upstream=upstream, ports={"8080": port}, replaced=replaced
    )
    # As root, nginx would give its temporary files to a user who may not look into the test's.
    user = f" user {getpass.getuser()};" if os.geteuid() == 0 else ""
    command = [str(executable()), "-c", str(main), "-e", "stderr", "-g", f"daemon off;{user}"]
    with (directory / "error.log").open("wb") as log_file:
        process = subprocess.Popen(command, stderr=log_file, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not responds(port):
            log = (directory / "error.log").read_text()
            assert process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
