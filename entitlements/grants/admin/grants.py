from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from common.admin import columns, dialogs, fields, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from entitlements.decisions.admin import decisions
from entitlements.decisions.selectors import previews
from entitlements.features.admin import values
from entitlements.grants import service as grants
from entitlements.models import Grant
from entitlements.models.fact import Effect
from projects.customers import selectors as customers
from projects.models import Project


class RevokeGrantForm(dialogs.Dialog):
    """Shows what ending the grant changes."""

    form_before_template = "console/effects.html"

    def get_before_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        rows = Grant.objects.across_projects().select_related("customer")
        grant = rows.filter(pk=self.row_key).first()
        if grant is None:
            return {}
        changes = previews.of_revocation(grant=grant, at=timezone.now())
        return {"effects": decisions.change_rows(changes)}


class CustomerForm(BaseDialogForm):  # type: ignore[misc]  # unfold carries no types
    """Selects the customer; the dialog of the customer's page comes next."""

    project = fields.choice()
    user_id = fields.text(max_length=255, help_text="The project's own id of its user.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects = Project.objects.filter(suspended_at__isnull=True)
        self.fields["project"].choices = [(project.pk, project.name) for project in projects]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if {"project", "user_id"} <= data.keys():
            data["customer"] = customers.find(project=data["project"], user_id=data["user_id"])
            if data["customer"] is None:
                self.add_error("user_id", "The project has no customer with this user_id.")
        return data


GRANT = dialogs.describe("Grant access", "To which customer?", submit="Continue", form=CustomerForm)
REVOKE = dialogs.describe(
    "End this grant",
    "It stops counting now. What else the customer has stays.",
    submit="End the grant",
    keep="Keep the grant",
    form=RevokeGrantForm,
)

_NOT_REVOKED = Q(revoked_at__isnull=True)
_STARTED = Q(starts_at__lte=Now())
_EXPIRED = Q(expires_at__isnull=False, expires_at__lte=Now())


class GrantStatusFilter(filters.ConditionFilter):
    title = "status"
    parameter_name = "status"
    conditions = {
        "active": _NOT_REVOKED & _STARTED & ~_EXPIRED,
        "scheduled": _NOT_REVOKED & ~_STARTED,
        "expired": _NOT_REVOKED & _STARTED & _EXPIRED,
        "revoked": ~_NOT_REVOKED,
    }


@admin.register(Grant)
class GrantAdmin(ReadOnlyAdmin):
    """Manual grants and denials."""

    sidebar = SidebarEntry(SidebarGroup.ACCESS, 1, "Grants", icon="volunteer_activism")
    actions_list: ClassVar[Sequence[str]] = ["begin"]
    actions_detail: ClassVar[Sequence[str]] = ["revoke"]
    actions_row: ClassVar[Sequence[str]] = ["revoke"]
    search_fields = [
        "id__exact",
        "customer__user_id__exact",
        "customer__id__exact",
        "customer__email__iexact",
    ]
    list_select_related = ["project", "customer"]
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "effect_badge",
        "feature_values",
        "status_badge",
        "short_reason",
        "expires_at",
        "created_by",
    ]
    list_filter = [
        filters.PROJECT,
        GrantStatusFilter,
        filters.words("effect", [Effect.ALLOW, Effect.DENY]),
        filters.dates("created_at"),
    ]
    fields = [
        "id",
        "project",
        "customer",
        "effect_badge",
        "feature_values",
        "product_link",
        "status_badge",
        "reason",
        "starts_at",
        "expires_at",
        "created_by",
        "created_at",
        "revoked_at",
        "revoked_by",
        "revoked_reason",
    ]

    def has_revoke_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.change_grant")

    def has_grant_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("entitlements.add_grant")

    @action(
        description="Grant access",
        url_path="begin",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["grant"],
        dialog=GRANT,
    )
    def begin(self, request: HttpRequest, form: CustomerForm) -> HttpResponse:
        customer = form.cleaned_data["customer"]
        href = reverse("admin:projects_customer_grant", args=[customer.pk])
        return dialogs.show(request, "console/next.html", {"href": href})

    @action(
        description="End the grant",
        url_path="revoke",
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["revoke"],
        dialog=REVOKE,
    )
    def revoke(self, request: HttpRequest, form: RevokeGrantForm, object_id: str) -> HttpResponse:
        def act() -> HttpResponse:
            grant = grants.revoke(
                grant=self.row(request, object_id),
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, "The grant has ended.", to=columns.url(grant.customer))

        return dialogs.attempt(request, form, REVOKE, act)

    @display(description="Customer", ordering="customer__user_id")
    def customer_link(self, row: Grant) -> object:
        return columns.link(row.customer)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Grant) -> object:
        return columns.link(row.project)

    @display(description="Effect", ordering="effect")
    def effect_badge(self, row: Grant) -> object:
        return columns.badge(row.effect)

    @display(description="Features")
    def feature_values(self, row: Grant) -> object:
        return format_features(row)

    @display(description="From product")
    def product_link(self, row: Grant) -> object:
        if not row.product_id:
            return columns.EMPTY
        return columns.anchor(columns.page("billing.product", row.product_id), row.product_id)

    @display(description="Status")
    def status_badge(self, row: Grant) -> object:
        return columns.badge(row.status(timezone.now()))

    @display(description="Reason")
    def short_reason(self, row: Grant) -> str:
        return columns.shortened(row.reason, most=60)


def format_features(grant: Grant) -> object:
    """``seats: 25, sso: on``; a denial names the features only."""
    if grant.effect == Effect.DENY:
        return format_html_join(", ", "{}", ((entry["feature"],) for entry in grant.features))
    pairs = ((entry["feature"], values.format_value(entry["value"])) for entry in grant.features)
    return format_html_join(", ", "{}: {}", pairs)
