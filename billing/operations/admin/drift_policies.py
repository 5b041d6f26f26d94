from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import DriftPolicy
from billing.models.drift_report import DriftClass, HealPolicy
from billing.operations import heal_policies
from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup


class PolicyForm(dialogs.Dialog):
    policy = fields.choice(
        choices=[("", "As the program has it"), *HealPolicy.choices],
        required=False,
        help_text="The next page of every reconciliation follows it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.row_key not in DriftClass.values:
            return
        drift_class = DriftClass(self.row_key)
        default = heal_policies.DEFAULTS[drift_class]
        self.fields["policy"].choices = [
            ("", f"As the program has it: {default}"),
            *((each.value, each.label) for each in heal_policies.allowed(drift_class)),
        ]


CHANGE = dialogs.describe(
    "Change the heal policy",
    "Differences of this class are healed, only reported, or parked until an operator decides.",
    submit="Change",
    form=PolicyForm,
)


@admin.register(DriftPolicy)
class DriftPolicyAdmin(ReadOnlyAdmin):
    """What reconciliations do about each class of differences."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 11, "Heal policies", icon="policy")
    ordering: Sequence[str] = ["id"]
    actions_detail: ClassVar[Sequence[str]] = ["change_policy"]
    list_display = ["name", "meaning", "policy_badge", "default", "changed_by", "changed_at"]
    fields = ["name", "meaning", "policy_badge", "default", "changed_by", "changed_at"]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_driftpolicy")

    @action(
        description="Change",
        url_path="change-policy",
        icon="tune",
        permissions=["decide"],
        dialog=CHANGE,
    )
    def change_policy(self, request: HttpRequest, form: PolicyForm, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        policy = form.cleaned_data["policy"]

        def act() -> HttpResponse:
            heal_policies.change(
                drift_class=DriftClass(row.id),
                policy=HealPolicy(policy) if policy else None,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, "Changed.", to=columns.url(row))

        return dialogs.attempt(request, form, CHANGE, act)

    @display(description="Class", ordering="id")
    def name(self, row: DriftPolicy) -> str:
        return row.id.replace("_", " ")

    @display(description="Meaning")
    def meaning(self, row: DriftPolicy) -> str:
        return row.get_id_display()

    @display(description="Policy")
    def policy_badge(self, row: DriftPolicy) -> object:
        policy = row.policy or heal_policies.DEFAULTS[DriftClass(row.id)]
        return columns.badge(policy, tone="info" if row.policy else "default")

    @display(description="Default")
    def default(self, row: DriftPolicy) -> str:
        return heal_policies.DEFAULTS[DriftClass(row.id)].value
