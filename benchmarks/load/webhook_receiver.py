"""The tenants' receivers of webhooks, in one server: ``/<number of the tenant>``."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook, WebhookVerificationError

from benchmarks.load.kinds import LoadPath
from benchmarks.load.tenant_record import TenantRecord

ANSWER = b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n"


class WebhookReceiver:
    """Verifies every delivery with its tenant's secret, and measures the time since the event."""

    def __init__(self, records: Mapping[int, TenantRecord]) -> None:
        self._webhooks: dict[int, Webhook] = {}
        self._records = records
        self._owners: dict[str, int] = {}
        """Of the events that were received, by id: none belongs to two tenants."""

    def begin(self, secrets: Mapping[int, str]) -> None:
        """Measure from now on. What came before is news of the set-up, which is taken unread."""
        self._webhooks = {number: Webhook(secret) for number, secret in secrets.items()}

    async def serve(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._answer_all, "127.0.0.1", port)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.split("\r\n")
                pairs = (line.partition(":") for line in lines if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                number = int(request.split(" ")[1].strip("/"))
                writer.write(ANSWER % self._receive(number, headers, body))
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def _receive(self, number: int, headers: dict[str, str], body: bytes) -> int:
        if number not in self._webhooks:
            return 204
        record = self._records[number]
        try:
            event = self._webhooks[number].verify(body, headers)
        except WebhookVerificationError:
            record.wrong.append("a webhook was not signed with the tenant's secret")
            return 401
        is_new = event["id"] not in self._owners
        owner = self._owners.setdefault(event["id"], number)
        if owner != number:
            record.wrong.append(f"event {event['id']} of tenant {owner} came to {number}")
        elif is_new:
            passed = datetime.now(UTC) - datetime.fromisoformat(event["occurred_at"])
            record.measured(LoadPath.WEBHOOK_OUT, passed.total_seconds() * 1000)
            record.received[event["type"]] += 1
        return 204
