"""The thread that carries webhooks over HTTP while the sandbox runs as a process."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import requests

from sandbox import deliveries

if TYPE_CHECKING:
    from sandbox.world import World

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
PAUSE = 0.25


class Courier:
    def __init__(self, world: World) -> None:
        self._world = world
        self._session = requests.Session()
        self._session.trust_env = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return when the delivery under way, if any, is over."""
        self._stopping.set()
        self._world.news.set()
        self._thread.join(timeout=TIMEOUT)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._world.news.wait(PAUSE)
            self._world.news.clear()
            try:
                deliveries.deliver(self._world, self._post, self._world.delivery_mode)
            except Exception:
                logger.exception("The courier tripped; it goes on with the next round.")

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """Redirects count as failures, as at Stripe."""
        answer = self._session.post(
            url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
        )
        return answer.status_code
