"""The steps of reconciliation passes, and the mirrored objects that a step has not seen."""

from functools import cache

from django.db.models import Exists, OuterRef, QuerySet

from billing.models import ReconcileRun, ReconcileSighting, StripeAccount
from billing.models.mirror import Mirror
from billing.stripe.fields import PAGE
from common.models import ProjectQuerySet
from common.prepared_queries import Parameter, PreparedQuery, PreparedValues
from projects.models import Project

_RUN = PreparedQuery(lambda: ReconcileRun.objects.filter(pk=Parameter("id")), related=["account"])


def find(run_id: int) -> ReconcileRun | None:
    """The step with its account as it is now; None if another pass has replaced it."""
    return _RUN.first(id=run_id)


def unlisted_ids(
    run: ReconcileRun,
    model: type[Mirror],
    *,
    account: StripeAccount,
    project: Project | None,
    after: str,
) -> list[str]:
    """Stripe ids after ``after`` that we mirror and the step did not see; at most one page."""
    parameters = {"account_id": account.pk, "run_id": run.pk, "after": after}
    if project is None:
        rows = _unlisted(model).rows(**parameters)
    else:
        rows = _unlisted_in_project(model).rows(**parameters, project_id=project.pk)
    return [str(stripe_id) for (stripe_id,) in rows]


@cache
def _unlisted(model: type[Mirror]) -> PreparedValues:
    return PreparedValues(lambda: _select_unlisted(model.objects.across_projects()))


@cache
def _unlisted_in_project(model: type[Mirror]) -> PreparedValues:
    return PreparedValues(
        lambda: _select_unlisted(model.objects.for_project(Parameter("project_id")))
    )


def _select_unlisted(rows: ProjectQuerySet[Mirror]) -> QuerySet[Mirror, tuple[str | None]]:
    of_account = rows.filter(account_id=Parameter("account_id"), stripe_id__gt=Parameter("after"))
    seen = ReconcileSighting.objects.filter(
        run_id=Parameter("run_id"), stripe_id=OuterRef("stripe_id")
    )
    return of_account.filter(~Exists(seen)).order_by("stripe_id").values_list("stripe_id")[:PAGE]
