"""This app's settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class RpcSettings:
    """Address and limits of one process of the gRPC server. Times in seconds, sizes in bytes."""

    address: str = "127.0.0.1:50051"
    certificate: str = ""
    """Path of a PEM file with the server's certificate chain; empty: no TLS."""
    private_key: str = ""
    """Path of the PEM file with its private key."""
    client_authority: str = ""
    """Path of a PEM file with the authorities whose client certificates are required (mutual
    TLS); empty: clients need none."""
    threads: int = 8
    """Calls that are executed at the same time."""
    max_calls: int = 1200
    """Calls in the process, waiting ones and streams included; a further one is refused."""
    max_waiting: int = 800
    """Streams of changes at the same time."""
    max_waiting_per_key: int = 50
    """Streams of changes of one API key."""
    max_calls_per_connection: int = 100
    max_message: int = 1024 * KIB + KIB
    """As the web server's longest body."""
    max_answer: int = 16 * 1024 * KIB
    max_metadata: int = 16 * KIB
    stop_seconds: float = 25.0
    """Time for calls in progress after SIGTERM."""
    is_reflected: bool = True
    """Whether tools may read the services' descriptions, which are public, from the server."""

    @classmethod
    def from_env(cls, env: Any) -> "RpcSettings":
        """Raises ImproperlyConfigured for a combination that would not be secure or work."""
        rpc = cls(
            address=env.str("RPC_ADDRESS", default=cls.address).strip(),
            certificate=env.str("RPC_TLS_CERTIFICATE", default="").strip(),
            private_key=env.str("RPC_TLS_KEY", default="").strip(),
            client_authority=env.str("RPC_TLS_CLIENT_CA", default="").strip(),
            threads=env.int("RPC_THREADS", default=cls.threads),
            stop_seconds=env.float("RPC_STOP_SECONDS", default=cls.stop_seconds),
            is_reflected=env.bool("RPC_REFLECTION", default=True),
        )
        rpc.check()
        return rpc

    def check(self) -> None:
        """Raise ImproperlyConfigured for settings that contradict each other."""
        if bool(self.certificate) != bool(self.private_key):
            raise ImproperlyConfigured("Set both RPC_TLS_CERTIFICATE and RPC_TLS_KEY, or neither.")
        if self.client_authority and not self.certificate:
            raise ImproperlyConfigured("RPC_TLS_CLIENT_CA needs RPC_TLS_CERTIFICATE.")
        if not 1 <= self.threads <= 64:
            raise ImproperlyConfigured("RPC_THREADS is a number from 1 to 64.")
        host, _, port = self.address.rpartition(":")
        if not (host and port.isdecimal()):
            raise ImproperlyConfigured("RPC_ADDRESS is host:port, such as 0.0.0.0:50051.")

    def read_tls(self) -> tuple[bytes, bytes, bytes | None] | None:
        """Private key, certificate chain and client authorities; None without TLS."""
        if not self.certificate:
            return None
        authority = Path(self.client_authority).read_bytes() if self.client_authority else None
        return Path(self.private_key).read_bytes(), Path(self.certificate).read_bytes(), authority
