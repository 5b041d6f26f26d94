"""Open connections that wait for the next job of their endpoint."""

from delivery.sender.connection import ReceiverConnection
from delivery.sender.targets import SendTarget

MAX_AGE_SECONDS = 60.0
MAX_REQUESTS = 100
MAX_IDLE_PER_ENDPOINT = 8
MAX_IDLE = 512


class IdleConnections:
    """Connections by endpoint. Tenants must not share one, so a connection is only used again for
    the same endpoint and the same scheme, host and port."""

    def __init__(self) -> None:
        self._by_endpoint: dict[str, list[ReceiverConnection]] = {}
        self._in_order: dict[ReceiverConnection, str] = {}
        """The endpoint of each connection; the longest idle first."""

    def __len__(self) -> int:
        return len(self._in_order)

    def take(self, endpoint_id: str, target: SendTarget, now: float) -> ReceiverConnection | None:
        """The connection that was used last, if it still may be used; it is the caller's now."""
        while connections := self._by_endpoint.get(endpoint_id):
            connection = connections[-1]
            self.remove(connection)
            if connection.target == target and _may_be_used(connection, now):
                return connection
            connection.abort()
        return None

    def put(self, endpoint_id: str, connection: ReceiverConnection, now: float) -> None:
        """Keep the connection for the next job, or close it."""
        if not _may_be_used(connection, now):
            connection.abort()
            return
        connections = self._by_endpoint.setdefault(endpoint_id, [])
        connections.append(connection)
        self._in_order[connection] = endpoint_id
        connection.on_idle_lost = self.remove
        if len(connections) > MAX_IDLE_PER_ENDPOINT:
            self._close(connections[0])
        if len(self._in_order) > MAX_IDLE:
            self._close(next(iter(self._in_order)))

    def remove(self, connection: ReceiverConnection) -> None:
        """Forget the connection."""
        connection.on_idle_lost = None
        endpoint_id = self._in_order.pop(connection)
        connections = self._by_endpoint[endpoint_id]
        connections.remove(connection)
        if not connections:
            del self._by_endpoint[endpoint_id]

    def close_old(self, now: float) -> None:
        """Close the connections that are too old to be used again."""
        for connection in [each for each in self._in_order if not _may_be_used(each, now)]:
            self._close(connection)

    def _close(self, connection: ReceiverConnection) -> None:
        self.remove(connection)
        connection.abort()


def _may_be_used(connection: ReceiverConnection, now: float) -> bool:
    return (
        connection.is_open
        and now - connection.opened_at < MAX_AGE_SECONDS
        and connection.requests < MAX_REQUESTS
    )
