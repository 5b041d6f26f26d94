"""The shared streams that are configured."""

from datetime import datetime

from django.conf import settings

from delivery.bus import consumer
from delivery.conf import InboundSources
from delivery.inbound import shared_stream


def read_stream(*, at: datetime) -> int:
    """Deal with new messages of the Redis stream, if there is one. Returns how many came."""
    sources: InboundSources = settings.INBOUND
    if not sources.stream:
        return 0
    return consumer.run(shared_stream.reader(sources.stream, at=at), url=sources.stream_url, at=at)


def read_kafka(*, at: datetime) -> int:
    """Deal with new messages of the Kafka topic, if there is one. Returns how many came. Raises
    ImportError without Kafka's package."""
    sources: InboundSources = settings.INBOUND
    if not sources.kafka_topic:
        return 0
    from delivery.inbound import kafka_source  # noqa: PLC0415  # an extra: only if configured

    return kafka_source.run(shared_stream.reader, sources=sources, bus=settings.BUS, at=at)
