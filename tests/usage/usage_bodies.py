"""Bodies of usage requests and responses."""

from typing import Any

Json = dict[str, Any]


def body_of(response: Any, status: int = 200) -> Json:
    assert response.status_code == status, response.content
    return dict(response.json())


def record_body(**more: Any) -> Json:
    return {"user_id": "ada", "meter": "bytes", "value": 5, **more}
