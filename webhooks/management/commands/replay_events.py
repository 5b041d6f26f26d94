"""Read the objects of stored events again, as when the events arrived."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from tqdm import tqdm

from projects.keys.selectors import projects
from webhooks.errors import NothingToRead
from webhooks.models import InboundEvent
from webhooks.selectors import inbound_events
from webhooks.services.replay import replay


class Command(BaseCommand):
    help = (
        "Reads the objects of stored events again, and resumes parked ones. Give at least one "
        "filter; an event must match all filters."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--event", help="One event: Stripe's id (evt_…) or ours (iev_…).")
        parser.add_argument(
            "--type", dest="event_type", help="Events of this type, such as invoice.paid."
        )
        parser.add_argument("--since", type=_moment, help="Received since then, in ISO 8601.")
        parser.add_argument(
            "--status", choices=sorted(inbound_events.IN_STATUS), help="Events in this state."
        )
        parser.add_argument("--project", help="Events about this project, by id or slug.")
        parser.add_argument("--reason", default="", help="Why, for the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        filters = {name: options[name] for name in ("event", "event_type", "since", "status")}
        if not any([*filters.values(), options["project"]]):
            raise CommandError(
                "Choose the events with --event, --type, --since, --status or --project."
            )
        project = projects.get_by_id_or_slug(options["project"]) if options["project"] else None
        events = inbound_events.matching(**filters, project=project)
        replayed = skipped = 0
        for event in tqdm(
            events.iterator(chunk_size=500),
            total=events.count(),
            unit=" events",
            disable=None,
            file=sys.stderr,
        ):
            if self._replay(event, options["reason"]):
                replayed += 1
            else:
                skipped += 1
        self.stdout.write(f"{replayed} event(s) replayed, {skipped} without an object to read.")

    def _replay(self, event: InboundEvent, reason: str) -> bool:
        try:
            replay(event=event, actor="command", reason=reason, at=timezone.now())
        except NothingToRead as error:
            self.stdout.write(f"{event}: {error}")
            return False
        return True


def _moment(value: str) -> datetime:
    moment = parse_datetime(value) or parse_datetime(f"{value}T00:00:00")
    if moment is None:
        raise ValueError(value)
    return moment if moment.tzinfo else timezone.make_aware(moment)
