"""Show the impact of a product change on all its holders, and apply the change."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.catalog.product_features import ProductEntitlement
from billing.catalog.selectors import catalog
from billing.models import Product, Rollout
from billing.models.product import DisputePolicy, RefundPolicy
from billing.rollouts import change_impact, plan_summary
from billing.rollouts import selectors as rollout_selectors
from billing.rollouts import service as rollouts
from billing.rollouts import worker as rollouts_worker
from billing.rollouts.planned_change import PlannedProductChange, PriceMove
from billing.subscriptions.change_plans import ChangeTime, Proration
from common.errors import DomainError
from entitlements.features.admin import values
from entitlements.features.selectors import features
from projects.keys.selectors import projects
from projects.models import Project

ACTOR = "command"
POLL_SECONDS = 0.2
"""Pause between two checks of the progress of other workers."""


class Command(BaseCommand):
    help = (
        "Shows the effect of a product change on all holders: who gains and loses which features, "
        "who would be over a limit, and the effect of moving subscriptions to another price. "
        "Writes nothing without --save or --apply."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Id or slug of the project.")
        parser.add_argument("--product", default="", help="Id of the product.")
        parser.add_argument(
            "--set",
            nargs="+",
            default=[],
            metavar="CODE=VALUE",
            help="Features to give, with their values: on, a number, unlimited, or JSON.",
        )
        parser.add_argument("--remove", nargs="+", default=[], metavar="CODE")
        parser.add_argument("--refund-policy", choices=RefundPolicy.values)
        parser.add_argument("--dispute-policy", choices=DisputePolicy.values)
        parser.add_argument("--move", nargs=2, metavar=("FROM", "TO"), help="Ids of two prices.")
        parser.add_argument(
            "--when", choices=[when.value for when in ChangeTime], default=ChangeTime.RENEWAL.value
        )
        parser.add_argument("--proration", choices=[proration.value for proration in Proration])
        parser.add_argument(
            "--save", action="store_true", help="Store the plan, to apply it later."
        )
        parser.add_argument("--rollout", default="", metavar="ID", help="Id of a stored plan.")
        parser.add_argument(
            "--apply", action="store_true", help="Apply the plan and wait until it is done."
        )
        parser.add_argument("--reason", default="", help="The reason, for the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = projects.get_by_id_or_slug(options["project"])
        if options["apply"] and len(options["reason"].strip()) < 3:
            raise CommandError("Give the reason with --reason: it is stored in the audit trail.")
        try:
            self._run(project, options)
        except DomainError as error:
            raise CommandError(f"{error} ({error.code})") from error

    def _run(self, project: Project, options: dict[str, Any]) -> None:
        if options["rollout"]:
            rollout: Rollout | None = rollout_selectors.get(
                project=project, rollout_id=options["rollout"]
            )
        else:
            rollout = self._show_impact(project, options)
        if rollout is None:
            self.stdout.write("Nothing was written.")
            return
        if options["rollout"]:
            self._write_lines(plan_summary.summarize_impact(rollout.figures))
        if not options["apply"]:
            self.stdout.write(f"Rollout {rollout.pk} ({rollout.status}). Apply it with --apply.")
            return
        rollouts.apply(rollout=rollout, actor=ACTOR, reason=options["reason"], at=timezone.now())
        self._write_lines(plan_summary.summarize_result(self._wait(rollout)))

    def _show_impact(self, project: Project, options: dict[str, Any]) -> Rollout | None:
        """Show the impact of the options; returns the saved rollout with --save or --apply."""
        product = catalog.product(project=project, product_id=options["product"])
        change = _planned_change(product, options)
        proposed = change_impact.propose_product(product=product, change=change)
        now = timezone.now()
        with _bar("holders") as bar:
            if options["save"] or options["apply"]:
                rollout = rollouts.save(
                    product=product, change=change, actor=ACTOR, at=now, on_progress=bar.update
                )
                self._write_lines(plan_summary.summarize_impact(rollout.figures))
                return rollout
            impact = change_impact.measure_impact(proposed=proposed, at=now, on_progress=bar.update)
        self._write_lines(plan_summary.summarize_impact(impact.as_json()))
        return None

    def _wait(self, rollout: Rollout) -> Rollout:
        """Run the rollout in this process, beside the workers, until it has ended."""
        with _bar("holders and moves") as bar:
            while True:
                done = rollouts_worker.run_due(at=timezone.now())
                row = rollout_selectors.get(project=rollout.project, rollout_id=rollout.pk)
                moves = vars(row)
                bar.total = (row.total or 0) + moves["move_count"]
                bar.n = row.looked_at + moves["moved"] + moves["refused"]
                bar.refresh()
                if not row.is_under_way:
                    return row
                if not done:
                    time.sleep(POLL_SECONDS)

    def _write_lines(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _bar(unit: str) -> Any:
    return tqdm(unit=f" {unit}", disable=None, leave=False, file=sys.stderr)


def _planned_change(product: Product, options: dict[str, Any]) -> PlannedProductChange:
    move = options["move"]
    return PlannedProductChange(
        features=_features(product, options),
        refund_policy=options["refund_policy"],
        dispute_policy=options["dispute_policy"],
        move=PriceMove.from_json(
            {
                "from_price": move[0],
                "to_price": move[1],
                "when": options["when"],
                "proration": options["proration"],
            }
        )
        if move
        else None,
    )


def _features(product: Product, options: dict[str, Any]) -> tuple[ProductEntitlement, ...] | None:
    """All features after the change; None if no feature is set or removed."""
    if not options["set"] and not options["remove"]:
        return None
    values_by_code = {row.feature.code: row.value for row in product.features.all()}
    for code in options["remove"]:
        if code not in values_by_code:
            raise CommandError(f"{code}: the product does not entitle to it.")
        del values_by_code[code]
    for code, text in (pair.partition("=")[::2] for pair in options["set"]):
        feature = features.get(project=product.project, code=code)
        try:
            values_by_code[code] = values.parse_value(text, kind=feature.kind)
        except ValidationError as error:
            raise CommandError(f"{code}: {' '.join(error.messages)}") from error
    return tuple(
        ProductEntitlement(feature=code, value=value) for code, value in values_by_code.items()
    )
