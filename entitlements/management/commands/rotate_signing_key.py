"""``manage.py rotate_signing_key``: sign snapshots with a new key from now on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from entitlements.snapshots import signing_keys


class Command(BaseCommand):
    help = (
        "Sign snapshots with a new key from now on. The old one stays published until everything "
        "that it signed has expired."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", help="The reason, for the audit trail.")
        parser.add_argument(
            "--withdraw",
            action="store_true",
            help="After a leak: stop publishing the older keys; their snapshots are refused.",
        )

    def handle(self, *args: Any, reason: str, withdraw: bool, **options: Any) -> None:
        key = signing_keys.rotate(
            actor="command", at=timezone.now(), withdraw=withdraw, reason=reason
        )
        self.stdout.write(f"{key.pk} signs from now on.")
