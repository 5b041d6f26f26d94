"""Import the objects of a project's own Stripe account."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.operations import imports
from billing.operations.imports import ImportResult, ImportRun, imported_kinds
from billing.stripe.errors import StripeMalformed, StripeObjectMissing, StripeRefused
from common.errors import DomainError
from common.locks import try_advisory_lock
from projects.keys.selectors import projects
from projects.models import Project

AGAIN = "Run it again with --since-cursor to continue."


class Command(BaseCommand):
    help = (
        "Imports customers, products, prices, coupons, promotion codes, subscriptions, invoices "
        "and payments of a project's own Stripe account. It can be stopped and run again at any "
        "time: every object is stored once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = imported_kinds()
        parser.add_argument("--project", required=True, help="Id or slug of the project.")
        parser.add_argument(
            "--kinds",
            nargs="+",
            choices=kinds,
            default=kinds,
            help="Kinds of objects to import; all by default.",
        )
        parser.add_argument(
            "--since-cursor", action="store_true", help="Continue where the last run stopped."
        )
        parser.add_argument(
            "--user-id-metadata",
            default="",
            metavar="KEY",
            help="Metadata key of Stripe customers with your user_id. By default: their Stripe id.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count; store nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = projects.get_by_id_or_slug(options["project"])
        with try_advisory_lock(f"billing.import.{project.pk}") as is_ours:
            if not is_ours:
                raise CommandError("Another import of this project is running.")
            failures = [
                failure
                for kind in (name for name in imported_kinds() if name in options["kinds"])
                if (failure := self._import_kind(project, kind, options))
            ]
        if options["dry_run"]:
            self.stdout.write("Nothing was stored.")
        if failures:
            raise CommandError(f"{' '.join(failures)} {AGAIN}")

    def _import_kind(self, project: Project, kind: str, options: dict[str, Any]) -> str:
        """Import one kind of object; return the error that ended it, or an empty string.

        Raises CommandError when Stripe does not answer, because then no other kind can be imported.
        """
        try:
            result = self._run_import(project, kind, options)
        except (StripeMalformed, StripeRefused, StripeObjectMissing) as error:
            return f"{kind}: {error} ({error.code})"
        except DomainError as error:
            raise CommandError(f"{kind}: {error} ({error.code}) {AGAIN}") from error
        self.stdout.write(f"{kind}: {result}.")
        return ""

    def _run_import(self, project: Project, kind: str, options: dict[str, Any]) -> ImportResult:
        with tqdm(desc=kind, unit=" objects", disable=None, leave=False, file=sys.stderr) as bar:
            run = ImportRun(
                project=project,
                kind=kind,
                at=timezone.now(),
                user_id_key=options["user_id_metadata"],
                tick=bar.update,
            )
            if options["dry_run"]:
                return imports.preview_import(run)
            return imports.import_objects(run, resume=options["since_cursor"])
