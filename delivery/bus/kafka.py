"""Kafka: one topic with all events, whose key is the customer. Needs requirements/kafka.txt.

The producer is idempotent, and a message whose predecessor has failed is not sent: a partition has
the events of a customer in order, without holes. After a failure a batch is published again, so
events may be repeated. Kafka keeps what it has accepted, so nothing is looked up before.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, Producer

from common import traces
from delivery.bus.bus import BusUnavailable
from delivery.conf import BusSettings
from events.log.rendered import RenderedEvent

DELIVERY_SECONDS = 5
"""After this time a message that no broker has accepted has failed."""
FLUSH_SECONDS = DELIVERY_SECONDS + 2

_producers: dict[int, Producer] = {}
"""The producer of this process, by its id: connecting takes long, and a fork inherits no thread."""


@dataclass(frozen=True, slots=True)
class KafkaBus:
    """The topic, for one run of the relay."""

    settings: BusSettings
    outlet: str = "kafka"

    def publish(
        self,
        events: Sequence[RenderedEvent],
        *,
        after: int,
        epoch: str,
        meanwhile: Callable[[], None],
    ) -> int:
        if not events:
            return after
        reports: list[Any] = []
        try:
            self._produce(events, epoch, lambda error, message: reports.append(error))
            meanwhile()
            _producer(self.settings).flush(FLUSH_SECONDS)
        except (KafkaException, BufferError) as error:
            _discard()
            raise BusUnavailable(str(error)) from error
        except BaseException:
            _discard()
            raise
        failures = [error for error in reports if error is not None]
        if failures or len(reports) < len(events):
            _discard()
            raise BusUnavailable(str(failures[0]) if failures else "No broker has answered.")
        return events[-1].number

    def forget(self) -> None:
        """Kafka keeps its messages: the next run repeats them."""

    def close(self) -> None:
        """The producer is kept for the next run."""

    def _produce(
        self, events: Sequence[RenderedEvent], epoch: str, report: Callable[[Any, Any], None]
    ) -> None:
        producer = _producer(self.settings)
        for event in events:
            producer.produce(
                self.settings.kafka_topic,
                value=event.body,
                key=event.customer_id or event.project_id,
                headers=_headers(event, epoch),
                on_delivery=report,
            )


def _headers(event: RenderedEvent, epoch: str) -> dict[str, str | bytes | None]:
    trace = {traces.HEADER: event.traceparent} if event.traceparent else {}
    return {
        "id": event.event_id,
        "type": event.event_type,
        "project": event.project_id,
        "number": str(event.number),
        "epoch": epoch,
        **trace,
    }


def _producer(settings: BusSettings) -> Producer:
    producer = _producers.get(os.getpid())
    if producer is None:
        producer = _producers[os.getpid()] = Producer(
            {
                "linger.ms": 5,
                "compression.type": "lz4",
                **settings.kafka_options,
                "bootstrap.servers": settings.kafka_servers,
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "message.timeout.ms": DELIVERY_SECONDS * 1000,
            }
        )
    return producer


def _discard() -> None:
    """Drop the producer with what it has not sent."""
    producer = _producers.pop(os.getpid(), None)
    if producer is not None:
        producer.purge()
