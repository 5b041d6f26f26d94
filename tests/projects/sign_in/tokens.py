"""A small identity provider: keys, a key set and tokens of signed-in users."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from projects.models import Project
from tests.api_client import ApiClient
from tests.common.local_servers import Server

ISSUER, AUDIENCE = "https://id.example.com/", "acme-app"
SECRET = "s" * 64


def new_private_key(kind: str) -> Any:
    """A new private key of this kind."""
    match kind:
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case bits:
            return rsa.generate_private_key(public_exponent=65537, key_size=int(bits))


WAYS = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA", "2048": "RS256", "1024": "RS256"}


@dataclass
class IdentityProvider:
    """Signs with its keys by name; its server shows their public halves."""

    server: Server | None = None
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.server is not None:
            self.server.reply = lambda path: (200, {}, self.key_set().encode())

    @property
    def jwks_url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.port}/jwks.json"

    def add(self, kid: str, kind: str = "P-256") -> None:
        self.keys[kid] = (WAYS[kind], new_private_key(kind))

    def key_set(self, **more: Any) -> str:
        """Of every key, with ``more`` in each."""
        shown = []
        for kid, (way, key) in self.keys.items():
            algorithm = jwt.get_algorithm_by_name(way)
            public = algorithm.to_jwk(key.public_key(), as_dict=True)
            shown.append({**public, "kid": kid, "use": "sig", **more})
        return json.dumps({"keys": shown})

    def token(self, kid: str, sub: Any = "alice", **changes: Any) -> str:
        way, key = self.keys[kid]
        return jwt.encode(claims(sub, **changes), key, algorithm=way, headers={"kid": kid})


def claims(sub: Any = "alice", **changes: Any) -> dict[str, Any]:
    """The claims of a token; a change to None leaves the claim out."""
    body = {"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600, **changes}
    return {name: value for name, value in body.items() if value is not None}


def signed(sub: Any = "alice", *, secret: str = SECRET, way: str = "HS256", **changes: Any) -> str:
    """A token under the shared secret."""
    return jwt.encode(claims(sub, **changes), secret, algorithm=way)


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes = b"") -> str:
    """A token with any header and claims, signed with HMAC-SHA256 or unsigned."""
    parts = [_b64(json.dumps(each).encode()) for each in (header, claims)]
    signature = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, _b64(signature) if secret else ""])


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_in(api: ApiClient, project: Project, **fields: Any) -> Any:
    """Configure the project's user sign-in, with the shared secret by default."""
    how = {"issuer": ISSUER, "audience": AUDIENCE, **(fields or {"shared_secret": SECRET})}
    answer = api.patch(f"/projects/{project.pk}", {"jwt": how})
    assert answer.status_code == 200, answer.content
    return answer


class Browser(ApiClient):
    """A project's front end with the token of its signed-in user."""

    def __init__(self, project: Project, sub: str = "alice", token: str = "") -> None:
        super().__init__(token or signed(sub))
        self.project_id = project.pk

    def request(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Any:
        headers = {"Tollgate-Project": self.project_id, **(kwargs.pop("headers", None) or {})}
        return super().request(method, path, body, headers=headers, **kwargs)
