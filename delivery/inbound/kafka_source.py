"""The shared stream in Kafka: a topic whose messages' values are the messages. Needs
requirements/kafka.txt.

Kafka's own offsets only say where to go on: an entry that comes again is in the inbox. A partition
keeps the order of its messages; use the user as the key.
"""

import os
from collections.abc import Sequence
from datetime import datetime

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from delivery.bus import held_entries, inbox
from delivery.bus.bus import BusUnavailable
from delivery.bus.readers import StreamEntry, StreamReader
from delivery.conf import BusSettings, InboundSources
from delivery.inbound.shared_stream import FIELD

READ_AT_ONCE = 100
WAIT_SECONDS = 1.0
SESSION_SECONDS = 10
"""After this time the group gives the share of a process that has died to others."""

_consumers: dict[int, Consumer] = {}
"""The consumer of this process, by its id: joining a group takes seconds."""


def run(
    reader: StreamReader,
    *,
    sources: InboundSources,
    bus: BusSettings,
    at: datetime,
) -> int:
    """Deal with the messages that are due. Returns how many Kafka has given.

    Waits up to a second for the first one. Raises BusUnavailable.
    """
    held_entries.retry_due(reader, at=at)
    try:
        received = _consumer(sources, bus).consume(READ_AT_ONCE, WAIT_SECONDS)
        entries = [message for message in received if _is_entry(message)]
        _accept_all(reader, entries, at)
    except KafkaException as error:
        discard()
        raise BusUnavailable(str(error)) from error
    except BaseException:
        discard()  # what was read and not dealt with is read again by the next consumer
        raise
    return len(entries)


def discard() -> None:
    """Leave the group; its offsets stay."""
    consumer = _consumers.pop(os.getpid(), None)
    if consumer is not None:
        consumer.close()


def _accept_all(reader: StreamReader, received: Sequence[Message], at: datetime) -> None:
    """Each in a transaction of its own; then move the offsets."""
    offsets: dict[int, TopicPartition] = {}
    try:
        for message in received:
            inbox.accept(reader, _entry(message), at=at)
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            offsets[partition] = TopicPartition(str(message.topic()), partition, offset + 1)
    finally:
        if offsets:
            _consumers[os.getpid()].commit(offsets=list(offsets.values()), asynchronous=False)


def _is_entry(message: Message) -> bool:
    """Raises KafkaException for an error of a broker."""
    error = message.error()
    if error is not None:
        raise KafkaException(error)
    return True


def _entry(message: Message) -> StreamEntry:
    value = message.value() or b""
    body = value.decode(errors="backslashreplace")
    return StreamEntry(f"{message.offset()}-{message.partition()}", {FIELD: body})


def _consumer(sources: InboundSources, bus: BusSettings) -> Consumer:
    consumer = _consumers.get(os.getpid())
    if consumer is None:
        consumer = _consumers[os.getpid()] = Consumer(
            {
                **bus.kafka_options,
                "bootstrap.servers": bus.kafka_servers,
                "group.id": sources.kafka_group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": SESSION_SECONDS * 1000,
            }
        )
        consumer.subscribe([sources.kafka_topic])
    return consumer
