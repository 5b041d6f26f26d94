"""``manage.py export_events``: write docs/events.md from the catalog of events."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import event_docs

DESTINATION = Path("docs/events.md")


class Command(BaseCommand):
    help = f"Writes {DESTINATION} from the events that the code declares."

    def handle(self, *args: Any, **options: Any) -> None:
        (settings.BASE_DIR / DESTINATION).write_text(event_docs.page())
        self.stdout.write(f"Wrote {DESTINATION}.")
