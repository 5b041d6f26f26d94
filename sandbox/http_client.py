"""The SDK's HTTP client that calls the sandbox in process, without a socket.

client = StripeClient("sk_test_sandbox", http_client=SandboxHTTPClient(world))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import stripe
from requests.structures import CaseInsensitiveDict

from sandbox.api import ApiRequest, StripeAPI
from sandbox.world import World


class SandboxHTTPClient(stripe.HTTPClient):
    name = "sandbox"

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self._api = StripeAPI(world)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send a request.

        Raises ``stripe.APIConnectionError`` when a fault breaks the connection.
        """
        parts = urlsplit(url)
        request_headers = {name.lower(): str(value) for name, value in (headers or {}).items()}
        api_response = self._api.respond(
            ApiRequest(
                method.upper(),
                unquote(parts.path),
                _form_text(post_data, parts.query),
                request_headers,
            )
        )
        if api_response.disconnect:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]  # the SDK types it not
                f"Unexpected error communicating with Stripe: {api_response.disconnect.kind}.",
                should_retry=True,
            )
        return api_response.body, api_response.status, CaseInsensitiveDict(api_response.headers)

    def _sleep_time_seconds(self, num_retries: int) -> float:
        """The SDK's retries do not wait."""
        return 0.0

    def close(self) -> None:
        pass


def _form_text(post_data: Any, query: str) -> str:
    if isinstance(post_data, bytes):
        return post_data.decode()
    return post_data or query
