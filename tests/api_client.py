"""A minimal API client of a tenant: a bearer key and paths below /api/v1."""

import json
from typing import Any

from tests.contract import answers
from tests.served_client import ServedClient


class ApiClient:
    """Calls the service in process, as one key. ``path`` is relative to ``/api/v1``.

    Answers are Django's responses: ``.status_code``, ``.json()``, ``.headers``. A crash of the
    service is an answer too (500), as it is for a real caller.

    Raises UndocumentedAnswer for a success that the OpenAPI document does not describe.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self._client = ServedClient()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        full_path = path if path.startswith("/api/") else f"/api/v1{path}"
        response: Any = self._client.generic(
            method,
            full_path,
            data="" if body is None else json.dumps(body),
            content_type="application/json",
            headers={
                **({"Authorization": f"Bearer {self.key}"} if self.key else {}),
                **(headers or {}),
            },
            **({"query_params": query} if query else {}),  # type: ignore[arg-type]  # stubs
        )
        has_body = method != "HEAD" and response.headers.get("Content-Type") == answers.JSON
        if response.status_code < 300 and has_body:
            answers.check(
                method, full_path.partition("?")[0], response.status_code, response.json()
            )
        return response

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("POST", path, {} if body is None else body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("PUT", path, {} if body is None else body, **kwargs)

    def patch(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("PATCH", path, {} if body is None else body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Any:
        return self.request("DELETE", path, **kwargs)
