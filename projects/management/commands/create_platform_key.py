"""``manage.py create_platform_key``: a key that registers projects, shown once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from projects.keys import api_keys


class Command(BaseCommand):
    help = "Create a key for the platform's own automation. It is printed only once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", default="Automation", help="Name of the key's user.")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        key, secret = api_keys.issue_platform(name=name, actor="command", at=timezone.now())
        self.stdout.write(f"{key.pk}: {secret}\nKeep it now: it cannot be shown again.")
