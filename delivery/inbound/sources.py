"""The shared streams that are configured."""

from datetime import datetime

from django.conf import settings

from delivery.bus import consumer
from delivery.conf import InboundSources
from delivery.inbound import shared_stream
from delivery.inbound.shared_stream import ParseEntry


def read_stream(*, parse: ParseEntry, at: datetime) -> int:
    """Deal with new messages of the Redis stream, if there is one. Returns how many came."""
    sources: InboundSources = settings.INBOUND
    if not sources.stream:
        return 0
    reader = shared_stream.reader(sources.stream, parse=parse, at=at)
    return consumer.run(reader, url=sources.stream_url, at=at)


def read_kafka(*, parse: ParseEntry, at: datetime) -> int:
    """Deal with new messages of the Kafka topic, if there is one. Returns how many came. Raises
    ImportError without Kafka's package."""
    sources: InboundSources = settings.INBOUND
    if not sources.kafka_topic:
        return 0
    from delivery.inbound import kafka_source  # noqa: PLC0415  # an extra: only if configured

    reader = shared_stream.reader(f"kafka:{sources.kafka_topic}", parse=parse, at=at)
    return kafka_source.run(reader, sources=sources, bus=settings.BUS, at=at)
