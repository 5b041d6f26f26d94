"""``manage.py reencrypt``: encrypt stored secrets with the first key of ``ENCRYPTION_KEYS``."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from common.crypto import CannotDecrypt
from config import sealed_columns


class Command(BaseCommand):
    help = (
        "Encrypts stored secrets anew that an older key of ENCRYPTION_KEYS encrypted. Once nothing "
        "is left, the older keys can be removed. Safe to repeat and to interrupt."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only count the values.")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        done = left = 0
        for column in sealed_columns.COLUMNS:
            values = sealed_columns.reencrypt(column, is_dry_run=dry_run)
            progress = tqdm(values, desc=column.name, leave=False, disable=None, file=sys.stderr)
            try:
                for is_done in progress:
                    done, left = done + is_done, left + (not is_done)
            except CannotDecrypt as error:
                raise CommandError(f"{column.name}: {error}") from error
        verb = "would be encrypted" if dry_run else "encrypted"
        self.stdout.write(f"{done} values {verb} with the first key.")
        if left:
            raise CommandError(f"{left} values changed meanwhile: run the command again.")
