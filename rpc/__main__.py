"""``python -m rpc [--address host:port]``: serve gRPC until SIGTERM or SIGINT.

Any number may run. On one machine they share the port, and the kernel spreads connections.
"""

import argparse
import asyncio
import os
import signal
from dataclasses import replace

import django


async def _serve(address: str) -> None:
    from django.conf import settings  # noqa: PLC0415  # needs Django to be set up

    from common import garbage  # noqa: PLC0415
    from common.liveness import touch_liveness_file  # noqa: PLC0415
    from projects.limits.limiter import limiter  # noqa: PLC0415
    from rpc.server import LIVENESS_SECONDS, RpcServer  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    limits = replace(settings.RPC, address=address) if address else settings.RPC
    server = RpcServer(limits, limiter)
    await server.start()
    garbage.begin_serving()
    while not stop.is_set():
        touch_liveness_file()
        try:
            await asyncio.wait_for(stop.wait(), LIVENESS_SECONDS)
        except TimeoutError:
            continue
    await server.stop()


def main() -> None:
    """Run the server in this process."""
    parser = argparse.ArgumentParser(prog="python -m rpc", description="Serve gRPC.")
    parser.add_argument("--address", default="", help="host:port instead of RPC_ADDRESS")
    address = parser.parse_args().address
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    asyncio.run(_serve(address))


if __name__ == "__main__":
    main()
