"""The thread that sends webhooks over HTTP while the sandbox runs as a process."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

import requests

from sandbox import deliveries
from sandbox.deliveries import DeliveryMode

if TYPE_CHECKING:
    from sandbox.world import World

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.25


class DeliveryWorker:
    def __init__(self, world: World) -> None:
        self._world = world
        self._mode = DeliveryMode()
        self._chance = random.Random()  # noqa: S311  # repeatable chaos, not a secret
        self._session = requests.Session()
        self._session.trust_env = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current delivery; pending deliveries wait for the next start."""
        self._stopping.set()
        self._world.delivery_signal.set()
        self._thread.join(timeout=TIMEOUT_SECONDS + 1)
        self._session.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._world.delivery_signal.wait(POLL_SECONDS)
            self._world.delivery_signal.clear()
            try:
                self._round()
            except Exception:
                logger.exception("Delivering webhooks failed; the next round tries again.")

    def _round(self) -> None:
        mode = self._world.delivery_mode
        if mode != self._mode:
            self._mode, self._chance = mode, random.Random(mode.seed)  # noqa: S311
        if mode.shuffled:
            time.sleep(POLL_SECONDS)  # collect several deliveries to shuffle
        deliveries.deliver_due(
            self._world,
            self._post,
            mode,
            rng=self._chance,
            should_continue=lambda: not self._stopping.is_set(),
        )

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """POST without following redirects: at Stripe a redirect is a failed delivery."""
        answer = self._session.post(
            url, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
        return answer.status_code
