"""PostgreSQL and Valkey out of wheels, for development and tests on a machine that has neither.

Production settings never import this package.
"""

import atexit
import functools
from pathlib import Path

from config.embedded.place import home_of
from config.embedded.secret import development_secrets
from config.embedded.servers import Servers

__all__ = ["CHECKOUT", "Servers", "development_secrets", "servers", "urls"]

CHECKOUT = Path(__file__).resolve().parents[2]


@functools.cache
def servers() -> Servers:
    """This checkout's durable servers, running and in use by this process until it exits."""
    mine = Servers(home_of(CHECKOUT / "var"), durable=True)
    mine.join()
    atexit.register(mine.leave)
    return mine


def urls(*, database_url: str = "", redis_url: str = "") -> tuple[str, str]:
    """`(DATABASE_URL, REDIS_URL)`: what was given, and for what is empty our own servers."""
    if database_url and redis_url:
        return database_url, redis_url
    own_database, own_redis = servers().urls()
    return database_url or own_database, redis_url or own_redis
