"""Compare every mirrored object with Stripe, and read again what differs."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.models import StripeAccount
from billing.services import reconciliation, usage_reconciliation
from billing.services.reconciliation import Finding
from common.errors import DomainError
from projects.models import Project
from projects.selectors import projects


class Command(BaseCommand):
    help = (
        "Compares every mirrored object with Stripe and repairs what differs, by reading it "
        "again; what was used of metered prices it only shows. With --dry-run it only prints the "
        "differences, and exits with 1 if there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", help="Only this project: its id or its slug.")
        parser.add_argument("--dry-run", action="store_true", help="Print, repair nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = projects.named(options["project"]) if options["project"] else None
        accounts = reconciliation.accounts(project=project)
        if not accounts:
            raise CommandError("No Stripe account to ask: set STRIPE_SECRET_KEY first.")
        self.compared, self.found, self.failed, self.repaired = 0, 0, 0, 0
        started = time.monotonic()
        with tqdm(unit=" objects", disable=None, leave=False, file=sys.stderr) as self.bar:
            for account in accounts:
                self._go_through(account, project, repair=not options["dry_run"])
        seconds = time.monotonic() - started
        self._sum_up(len(accounts), seconds, repaired=not options["dry_run"])

    def _go_through(self, account: StripeAccount, project: Project | None, *, repair: bool) -> None:
        self.bar.set_description(str(account))
        findings = reconciliation.compare(
            account=account,
            project=project,
            at=timezone.now(),
            tick=self._tick,
            on_failure=self._fail,
        )
        try:
            for finding in findings:
                self.found += 1
                self._say(str(finding))
                if repair:
                    self._repair(finding)
            self._compare_usage(account, project, repair=repair)
        except DomainError as error:
            self._fail(str(account), error)

    def _compare_usage(
        self, account: StripeAccount, project: Project | None, *, repair: bool
    ) -> None:
        """What Stripe has counted of metered prices; a difference is for a person."""
        differences = usage_reconciliation.compare(
            account=account,
            project=project,
            at=timezone.now(),
            tick=self._tick,
            on_failure=self._fail,
        )
        for difference in differences:
            self.found += 1
            self._say(str(difference))
            if repair:
                self.failed += 1
                self._say("  not repaired: look at the usage that Stripe refused.")

    def _fail(self, what: str, error: DomainError) -> None:
        self.failed += 1
        self._say(f"{what}: {error} ({error.code})")

    def _repair(self, finding: Finding) -> None:
        try:
            reconciliation.repair(finding=finding, at=timezone.now())
        except Exception as error:  # noqa: BLE001  # its last_error says more; the others go on
            self.failed += 1
            self._say(f"  not repaired: {type(error).__name__}")
        else:
            self.repaired += 1

    def _tick(self) -> None:
        self.compared += 1
        self.bar.update()

    def _say(self, line: str) -> None:
        self.bar.clear()
        self.stdout.write(line)

    def _sum_up(self, accounts: int, seconds: float, *, repaired: bool) -> None:
        parts = [
            f"Compared {self.compared} objects of {accounts} Stripe account(s) in {seconds:.1f} s",
            f"{self.found} difference(s)",
        ]
        if repaired:
            parts.append(f"{self.repaired} repaired")
        if self.failed:
            parts.append(f"{self.failed} failed")
        self.stdout.write(", ".join(parts) + ".")
        if self.failed or (self.found and not repaired):
            sys.exit(1)
