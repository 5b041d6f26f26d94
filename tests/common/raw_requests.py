"""Raw requests to the application, and the problem documents that answer them."""

from typing import Any

from django.test import Client


class Raw:
    """A client that sends exactly the given bytes and headers."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.client = Client(raise_request_exception=False)

    def send(self, method: str, path: str, body: bytes = b"", **environ: Any) -> Any:
        return self.client.generic(
            method,
            path,
            data=body,
            content_type=environ.pop("content_type", "application/json"),
            **{"HTTP_AUTHORIZATION": f"Bearer {self.key}", **environ},
        )


def problem_of(answer: Any, *statuses: int) -> dict[str, Any]:
    """The problem document of a refusal with one of these statuses."""
    assert answer.status_code in statuses, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer.headers["X-Request-ID"]
    assert document["type"].endswith(f"/docs/errors#{document['code']}")
    return document
