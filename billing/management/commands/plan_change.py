"""Look at what a change of a product comes to for everybody who holds it, and carry it out."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.catalog.product_features import Entitlement
from billing.catalog.selectors import catalog
from billing.models import Product, Rollout
from billing.models.product import DisputePolicy, RefundPolicy
from billing.rollouts import change_impact as fleet
from billing.rollouts import plan_summary
from billing.rollouts import selectors as stored
from billing.rollouts import service as planned_rollouts
from billing.rollouts import worker as rollout_work
from billing.rollouts.planned_change import Move, Terms
from billing.subscriptions.change_plans import Proration, When
from common.errors import DomainError
from entitlements.features.admin import values
from entitlements.features.selectors import features
from projects.keys.selectors import projects
from projects.models import Project

ACTOR = "command"
LOOK = 0.2
"""Seconds between two looks at what other workers have in hand."""


class Command(BaseCommand):
    help = (
        "Shows what a change of a product would come to for everybody who holds it: who gains and "
        "loses what, who would be over a limit, what moving subscriptions to another price would "
        "bring. Writes nothing, unless told to keep it or to apply it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Its id or its slug.")
        parser.add_argument("--product", default="", help="Its id.")
        parser.add_argument(
            "--set",
            nargs="+",
            default=[],
            metavar="CODE=VALUE",
            help="Give these features, or these values of them: on, a number, unlimited, JSON.",
        )
        parser.add_argument("--remove", nargs="+", default=[], metavar="CODE")
        parser.add_argument("--refund-policy", choices=RefundPolicy.values)
        parser.add_argument("--dispute-policy", choices=DisputePolicy.values)
        parser.add_argument("--move", nargs=2, metavar=("FROM", "TO"), help="Two prices.")
        parser.add_argument(
            "--when", choices=[each.value for each in When], default=When.RENEWAL.value
        )
        parser.add_argument("--proration", choices=[each.value for each in Proration])
        parser.add_argument("--save", action="store_true", help="Keep it, to be applied later.")
        parser.add_argument("--rollout", default="", metavar="ID", help="One that was kept.")
        parser.add_argument("--apply", action="store_true", help="Carry it out, and wait.")
        parser.add_argument("--reason", default="", help="Kept in the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = projects.get_by_id_or_slug(options["project"])
        if options["apply"] and len(options["reason"].strip()) < 3:
            raise CommandError("Say why, with --reason: it is kept in the audit trail.")
        try:
            self._carry_on(project, options)
        except DomainError as error:
            raise CommandError(f"{error} ({error.code})") from error

    def _carry_on(self, project: Project, options: dict[str, Any]) -> None:
        if options["rollout"]:
            rollout: Rollout | None = stored.get(project=project, rollout_id=options["rollout"])
        else:
            rollout = self._look(project, options)
        if rollout is None:
            self.stdout.write("Nothing was written.")
            return
        if options["rollout"]:
            self._say(plan_summary.figures(rollout.figures))
        if not options["apply"]:
            self.stdout.write(
                f"Rollout {rollout.pk} ({rollout.status}). Carry it out with --apply."
            )
            return
        planned_rollouts.apply(
            rollout=rollout, actor=ACTOR, reason=options["reason"], at=timezone.now()
        )
        self._say(plan_summary.outcome(self._wait(rollout)))

    def _look(self, project: Project, options: dict[str, Any]) -> Rollout | None:
        """What the options come to; kept if that was asked for."""
        product = catalog.product(project=project, product_id=options["product"])
        terms = _terms(product, options)
        prospect = fleet.prospect(product=product, terms=terms)
        now = timezone.now()
        with _bar("holders") as bar:
            if options["save"] or options["apply"]:
                kept = planned_rollouts.save(
                    product=product, terms=terms, actor=ACTOR, at=now, tick=bar.update
                )
                self._say(plan_summary.figures(kept.figures))
                return kept
            figures = fleet.look(prospect=prospect, at=now, tick=bar.update)
        self._say(plan_summary.figures(figures.as_json()))
        return None

    def _wait(self, rollout: Rollout) -> Rollout:
        """Work on it beside the workers, until it is done."""
        with _bar("holders and moves") as bar:
            while True:
                done = rollout_work.run_due(at=timezone.now())
                row = stored.get(project=rollout.project, rollout_id=rollout.pk)
                moves = vars(row)
                bar.total = (row.total or 0) + moves["move_count"]
                bar.n = row.looked_at + moves["moved"] + moves["refused"]
                bar.refresh()
                if not row.is_under_way:
                    return row
                if not done:
                    time.sleep(LOOK)

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _bar(of: str) -> Any:
    return tqdm(unit=f" {of}", disable=None, leave=False, file=sys.stderr)


def _terms(product: Product, options: dict[str, Any]) -> Terms:
    move = options["move"]
    return Terms(
        features=_features(product, options),
        refund_policy=options["refund_policy"],
        dispute_policy=options["dispute_policy"],
        move=Move.from_json(
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


def _features(product: Product, options: dict[str, Any]) -> tuple[Entitlement, ...] | None:
    """All that the product would entitle to; None when nothing is set or removed."""
    if not options["set"] and not options["remove"]:
        return None
    wanted = {each.feature.code: each.value for each in product.features.all()}
    for code in options["remove"]:
        if code not in wanted:
            raise CommandError(f"{code}: the product does not entitle to it.")
        del wanted[code]
    for code, text in (each.partition("=")[::2] for each in options["set"]):
        feature = features.get(project=product.project, code=code)
        try:
            wanted[code] = values.parse_value(text, kind=feature.kind)
        except ValidationError as error:
            raise CommandError(f"{code}: {' '.join(error.messages)}") from error
    return tuple(Entitlement(feature=code, value=value) for code, value in wanted.items())
