"""A minimal GraphQL client of a tenant."""

import json
from typing import Any

from tests.served_client import ServedClient

Json = dict[str, Any]


class GraphClient:
    """Posts queries to ``/graphql`` as one key."""

    def __init__(self, key: str = "") -> None:
        self.key = key
        self._client = ServedClient()

    def send(self, body: Any, *, method: str = "POST", **headers: str) -> Any:
        """The response to any body: text is sent as it is, all else as JSON."""
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        content_type = headers.pop("content_type", "application/json")
        return self._client.generic(
            method,
            "/graphql",
            data=body if isinstance(body, str | bytes) else json.dumps(body),
            content_type=content_type,
            headers={**authorization, **headers},
        )

    def execute(self, query: str, **variables: Any) -> Json:
        """The body of the answer to a query that is well-formed HTTP."""
        response = self.send({"query": query, "variables": variables})
        assert response.status_code == 200, response.content
        return dict(response.json())

    def data(self, query: str, **variables: Any) -> Json:
        """The data of a query without errors."""
        body = self.execute(query, **variables)
        assert body.keys() == {"data"}, body
        return dict(body["data"])

    def codes(self, query: str, **variables: Any) -> list[str]:
        """The codes of the errors of a query that was refused before it was executed."""
        body = self.execute(query, **variables)
        assert body.keys() == {"errors"}, body
        return [error["extensions"]["code"] for error in body["errors"]]
