"""Periodic tasks of the ways out; the work is in the services."""

from celery import shared_task
from django.utils import timezone

from delivery.bus import buses, inbox, relay
from delivery.inbound import sources, users
from delivery.inbound.api import messages
from delivery.mail import clock_notices, planner, retention, sender
from delivery.signals import planner as signal_planner
from delivery.signals import retention as signal_retention
from delivery.signals import sender as signal_sender
from delivery.webhooks import retention as webhook_retention


@shared_task(name="delivery.publish_to_streams")
def publish_to_streams() -> None:
    _publish(buses.STREAMS)


@shared_task(name="delivery.publish_to_kafka")
def publish_to_kafka() -> None:
    _publish(buses.KAFKA)


@shared_task(name="delivery.purge_inbox")
def purge_inbox() -> None:
    now = timezone.now()
    inbox.purge(at=now)
    users.purge(at=now)


@shared_task(name="delivery.read_inbound_stream")
def read_inbound_stream() -> None:
    sources.read_stream(parse=messages.parse_entry, at=timezone.now())


@shared_task(name="delivery.read_inbound_kafka")
def read_inbound_kafka() -> None:
    sources.read_kafka(parse=messages.parse_entry, at=timezone.now())


@shared_task(name="delivery.plan_mail")
def plan_mail() -> None:
    planner.run(at=timezone.now())


@shared_task(name="delivery.plan_clock_notices")
def plan_clock_notices() -> None:
    clock_notices.run(at=timezone.now())


@shared_task(name="delivery.send_mail")
def send_mail() -> None:
    sender.run(at=timezone.now())


@shared_task(name="delivery.drop_old_mail")
def drop_old_mail() -> None:
    retention.drop_old(at=timezone.now())


@shared_task(name="delivery.plan_signals")
def plan_signals() -> None:
    signal_planner.run(at=timezone.now())


@shared_task(name="delivery.send_signals")
def send_signals() -> None:
    signal_sender.run(at=timezone.now())


@shared_task(name="delivery.drop_old_signals")
def drop_old_signals() -> None:
    signal_retention.drop_old(at=timezone.now())


@shared_task(name="delivery.make_partitions")
def make_partitions() -> None:
    webhook_retention.make_partitions(at=timezone.now())


@shared_task(name="delivery.drop_old_deliveries")
def drop_old_deliveries() -> None:
    webhook_retention.drop_old(at=timezone.now())


def _publish(name: str) -> None:
    if name in buses.configured() and relay.is_due(name):
        relay.run(buses.open_bus(name), at=timezone.now())
