"""PostgreSQL and Valkey from wheels, for development and tests on a machine without servers.

Production settings never import this package. Development settings work without the wheels if the
addresses of other servers are set.
"""

import atexit
import functools
from pathlib import Path

from devtools.embedded.secret import development_secrets

__all__ = ["CHECKOUT", "development_secrets", "urls"]

CHECKOUT = Path(__file__).resolve().parents[2]


def urls(*, database_url: str = "", redis_url: str = "") -> tuple[str, str]:
    """`(DATABASE_URL, REDIS_URL)`: the given ones, with our own servers in place of empty ones."""
    if database_url and redis_url:
        return database_url, redis_url
    own_database, own_redis = _own_urls()
    return database_url or own_database, redis_url or own_redis


@functools.cache
def _own_urls() -> tuple[str, str]:
    """Addresses of this checkout's durable servers, which run until this process exits."""
    # Imported here because only this needs the wheels.
    from devtools.embedded.place import home_of  # noqa: PLC0415
    from devtools.embedded.servers import Servers  # noqa: PLC0415

    servers = Servers(home_of(CHECKOUT / "var"), durable=True)
    servers.join()
    atexit.register(servers.leave)
    return servers.urls()
