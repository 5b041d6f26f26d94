"""Migrate the database that the tests copy, where no earlier run has: `python -m tests.template`.

On a fresh machine the static checks and the migrations need about the same time, so `make test`
runs them beside each other.
"""

from devtools.embedded.servers import Servers
from tests import services, template_cache


def main() -> None:
    if template_cache.is_off() or template_cache.is_kept():
        return
    services.sweep()
    servers = Servers(services.new_home(), durable=False)
    try:
        servers.join()
        services.migrate_template(servers)
    finally:
        servers.leave()
        servers.discard()


if __name__ == "__main__":
    main()
