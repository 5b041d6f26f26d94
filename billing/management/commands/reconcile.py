"""Compare every mirrored object with Stripe and our own tables with their laws, and repair."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.models import ReconcileRun, StripeAccount
from billing.operations import (
    heal_policies,
    reconcile_pages,
    reconcile_runs,
    reconciliation,
    stripe_targets,
)
from billing.operations.drift_reports import DriftSource
from billing.operations.reconcile_pass import ReconcilePass
from common.ids import new_id
from projects.keys.selectors import projects
from projects.models import Project


class Command(BaseCommand):
    help = (
        "Compares every mirrored object with Stripe and repairs differences by reading the object "
        "again; differences in the usage of metered prices are only printed. Then it compares our "
        "own tables with each other: facts, ledger, totals and counters. The next call continues "
        "an interrupted run. With --dry-run it only prints the differences, and exits with 1 if "
        "there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", help="Id or slug of the only project to compare.")
        parser.add_argument("--dry-run", action="store_true", help="Only print the differences.")
        parser.add_argument(
            "--restart",
            action="store_true",
            help="Start a new run instead of continuing the last one.",
        )
        parser.add_argument(
            "--seconds", type=float, help="Stop after this many seconds; the next call continues."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = projects.get_by_id_or_slug(options["project"]) if options["project"] else None
        accounts = stripe_targets.accounts(project=project)
        if not accounts:
            raise CommandError("No Stripe account has a key: set STRIPE_SECRET_KEY first.")
        self.compared, self.found, self.failed, self.not_compared = 0, 0, 0, 0
        started = time.monotonic()
        plan = self._plan(project, repair=not options["dry_run"])
        self._begin(plan, accounts, restart=options["restart"])
        try:
            with tqdm(unit=" objects", disable=None, leave=False, file=sys.stderr) as self.bar:
                is_over = reconciliation.work_on(plan, accounts, seconds=options["seconds"])
        finally:
            if not plan.repair:
                reconcile_runs.forget(purpose=plan.purpose)
        seconds = time.monotonic() - started
        self._print_summary(len(accounts), seconds, repaired=plan.repair)
        if not is_over:
            self._print_unfinished(is_repairing=plan.repair)
        has_stopped_early = not is_over and options["seconds"] is None
        is_different = bool(self.found) and not plan.repair
        if self.failed or self.not_compared or is_different or has_stopped_early:
            sys.exit(1)

    def _plan(self, project: Project | None, *, repair: bool) -> ReconcilePass:
        name = "command" if repair else f"dry {new_id('run')}"
        return ReconcilePass(
            purpose=name if project is None or not repair else f"command {project.pk}",
            at=timezone.now(),
            repair=repair,
            project=project,
            tick=self._tick,
            on_finding=self._on_finding,
            on_failure=self._on_failure,
            policies=heal_policies.current(),
            source=DriftSource() if repair else None,
        )

    def _begin(self, plan: ReconcilePass, accounts: list[StripeAccount], *, restart: bool) -> None:
        """Continue the last run if it did not finish, otherwise start a new one."""
        unfinished = ReconcileRun.objects.filter(purpose=plan.purpose, finished_at__isnull=True)
        first = unfinished.order_by("started_at").first()
        if first is not None and not restart:
            self.stdout.write(f"Continues the run of {first.started_at:%Y-%m-%d %H:%M} UTC.")
            unfinished.update(next_try_at=timezone.now(), attempts=0)
        else:
            reconciliation.begin(plan, accounts)

    def _on_finding(self, finding: object, error: str | None) -> None:
        self.found += 1
        self._print(str(finding))
        if error is not None:
            self.failed += 1
            self._print(f"  not repaired: {error}")

    def _on_failure(self, what: str, error: Exception) -> None:
        self.not_compared += 1
        self._print(f"{what}: {error} ({reconcile_pages.code_of(error)})")

    def _tick(self) -> None:
        self.compared += 1
        self.bar.update()

    def _print(self, line: str) -> None:
        self.bar.clear()
        self.stdout.write(line)

    def _print_summary(self, accounts: int, seconds: float, *, repaired: bool) -> None:
        parts = [
            f"Compared {self.compared} objects of {accounts} Stripe account(s) in {seconds:.1f} s",
            f"{self.found} difference(s)",
        ]
        if repaired:
            parts.append(f"{self.found - self.failed} repaired")
        if self.failed or self.not_compared:
            parts.append(f"{self.failed + self.not_compared} failed")
        self.stdout.write(", ".join(parts) + ".")

    def _print_unfinished(self, *, is_repairing: bool) -> None:
        """The time is over, or the request limit of an account is reached."""
        follow_up = "call it again to continue" if is_repairing else "call it again"
        self.stdout.write(f"Not everything is compared yet: {follow_up}.")
