from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from billing.models import Reconciliation
from billing.models.reconciliation import ReconciliationState
from billing.operations import reconcile_kinds, reconciliation_control, stripe_targets
from billing.operations.admin import reconciliation_sections
from billing.operations.reconciliation_control import NewReconciliation
from billing.operations.selectors import reconciliations
from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.offered_actions import OfferedActions
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.models import Project


class RunForm(dialogs.Dialog):
    account = fields.choice(help_text="The Stripe account to compare with our rows.")
    project = fields.choice(
        required=False, help_text="Compare the objects of one project only, with our own tables."
    )
    kinds = fields.many(
        choices=[(name, name.replace("_", " ")) for name in reconcile_kinds.NAMES],
        required=False,
        help_text="None: everything.",
    )
    dry_run = fields.flag(help_text="Only report differences.", initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["account"].choices = [
            (account.pk, f"{account} ({'live' if account.livemode else 'test'})")
            for account in stripe_targets.accounts()
        ]
        self.fields["project"].choices = [
            ("", "All projects of the account"),
            *((project.pk, f"{project} ({project.mode})") for project in Project.objects.all()),
        ]


RUN = dialogs.describe(
    "Reconcile now",
    "Workers compare page by page, within the account's request budget. Differences are healed, "
    "reported or parked as the heal policies say.",
    submit="Start",
    form=RunForm,
)
PAUSE = dialogs.describe(
    "Pause",
    "It stops after the current page and keeps its progress. Others of the account can pass it.",
    submit="Pause",
)
RESUME = dialogs.describe("Resume", "It continues after its last page.", submit="Resume")
STOP = dialogs.describe(
    "Stop",
    "It ends after the current page and cannot be continued. Repairs that were done stay.",
    submit="Stop it",
    keep="Let it run",
)


@admin.register(Reconciliation)
class ReconciliationAdmin(OfferedActions, ReadOnlyAdmin):
    """Comparisons with Stripe: the nightly passes, and those that were requested. To pause the
    nightly pass of all accounts, pause its chore under Clock."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 9, "Reconciliation", icon="compare_arrows")
    actions_list: ClassVar[Sequence[str]] = ["run_now"]
    actions_detail: ClassVar[Sequence[str]] = ["pause", "resume", "stop"]
    search_fields = ["id__exact", "account__id__exact"]
    list_display = [
        "started_at",
        "account_link",
        "project_link",
        "state_badge",
        "mode",
        "progress",
        "figures",
        "started_by",
    ]
    list_filter = [
        filters.words("state", ReconciliationState.values),
        filters.PROJECT,
        filters.dates("started_at"),
    ]
    fields = [
        "id",
        "account_link",
        "project_link",
        "state_badge",
        "progress",
        "figures",
        "kind_names",
        "mode",
        "started_by",
        "reason",
        "started_at",
        "paused_at",
        "finished_at",
        "ended_by",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("account", "project")
        return reconciliations.with_progress(rows)

    def refused_actions(self, row: Reconciliation) -> Collection[str]:
        if not row.is_unfinished:
            return ("pause", "resume", "stop")
        return ("resume",) if row.paused_at is None else ("pause",)

    def has_run_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_reconciliation")

    @action(
        description="Run now",
        url_path="run-now",
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["run"],
        dialog=RUN,
    )
    def run_now(self, request: HttpRequest, form: RunForm) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            project = Project.objects.filter(pk=data["project"] or None).first()
            account, project = reconciliation_control.find_scope(
                own_project=None,
                account_id=data["account"],
                project_id=project.pk if project is not None else None,
            )
            row = reconciliation_control.start(
                request=NewReconciliation(
                    account=account,
                    project=project,
                    kinds=tuple(data["kinds"]),
                    dry_run=data["dry_run"],
                    reason=data["reason"],
                ),
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, "It starts within seconds.", to=columns.url(row))

        return dialogs.attempt(request, form, RUN, act)

    @action(description="Pause", url_path="pause", icon="pause", permissions=["run"], dialog=PAUSE)
    def pause(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, PAUSE, reconciliation_control.pause)

    @action(
        description="Resume",
        url_path="resume",
        icon="play_arrow",
        permissions=["run"],
        dialog=RESUME,
    )
    def resume(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, RESUME, reconciliation_control.resume)

    @action(description="Stop", url_path="stop", icon="stop", permissions=["run"], dialog=STOP)
    def stop(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, STOP, reconciliation_control.stop)

    def _decide(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        object_id: str,
        dialog: dict[str, Any],
        decide: Callable[..., Reconciliation],
    ) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            decide(
                row=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Done.", to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Account", ordering="account")
    def account_link(self, row: Reconciliation) -> object:
        return columns.link(row.account) if row.account else "our own tables"

    @display(description="Project", ordering="project")
    def project_link(self, row: Reconciliation) -> object:
        return columns.link(row.project) if row.project else "all"

    @display(description="State", ordering="state")
    def state_badge(self, row: Reconciliation) -> object:
        return columns.badge(row.state)

    @display(description="Progress")
    def progress(self, row: Any) -> str:
        if row.finished_at is not None:
            return f"{row.compared} objects compared"
        return (
            f"{row.finished_count} of {row.step_count} steps, {row.compared_count} objects compared"
        )

    @display(description="Differences")
    def figures(self, row: Any) -> str:
        if row.finished_at is not None:
            counts = (row.found, row.healed, row.parked)
        else:
            counts = (row.found_count, row.healed_count, row.parked_count)
        differing, healed, parked = counts
        text = f"{differing} found, {healed} healed, {parked} parked"
        return f"{text}, {row.not_compared} not compared" if row.not_compared else text

    @display(description="Mode")
    def mode(self, row: Reconciliation) -> object:
        return columns.badge("dry run" if row.dry_run else "heals", tone="default")

    @display(description="Kinds")
    def kind_names(self, row: Reconciliation) -> str:
        return ", ".join(name.replace("_", " ") for name in row.kinds) or "everything"

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [reconciliation_sections.steps(row), reconciliation_sections.reports(row)]
