"""Periodic tasks of the ways out; the work is in the services."""

from celery import shared_task
from django.utils import timezone

from delivery.bus import buses, inbox, relay


@shared_task(name="delivery.publish_to_streams")
def publish_to_streams() -> None:
    _publish(buses.STREAMS)


@shared_task(name="delivery.publish_to_kafka")
def publish_to_kafka() -> None:
    _publish(buses.KAFKA)


@shared_task(name="delivery.purge_inbox")
def purge_inbox() -> None:
    inbox.purge(at=timezone.now())


def _publish(name: str) -> None:
    if name in buses.configured() and relay.is_due(name):
        relay.run(buses.open_bus(name), at=timezone.now())
