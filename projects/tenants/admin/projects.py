from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join
from unfold.enums import ActionVariant

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from projects.keys import api_keys
from projects.keys.admin import keys
from projects.models import ApiKey, App, Customer, Project
from projects.sign_in import admin as sign_in
from projects.tenants import projects
from projects.tenants.admin import key_dialog
from projects.tenants.admin.project_dialogs import (
    CHANGEABLE,
    CONFIGURE,
    REGISTER,
    ConfigureForm,
    RegisterProjectForm,
)
from projects.tenants.admin.suspension import SuspensionButtons


class ModeFilter(filters.ConditionFilter):
    title = "mode"
    parameter_name = "mode"
    conditions = {"test": Q(livemode=False), "live": Q(livemode=True)}


@admin.register(Project)
class ProjectAdmin(SuspensionButtons, ReadOnlyAdmin):
    """Tenants."""

    sidebar = SidebarEntry(SidebarGroup.TENANTS, 1, "Projects", icon="domain")
    actions_list: ClassVar[Sequence[str]] = ["register"]
    actions_detail: ClassVar[Sequence[str]] = [
        "issue_key",
        "configure",
        "set_sign_in",
        "suspend",
        "resume",
    ]
    search_fields = ["id__exact", "name__icontains", "slug__icontains"]
    list_display = ["name", "slug", "mode_badge", "sold", "state_badge", "created_at"]
    list_filter = [ModeFilter, filters.dates("created_at")]
    fields = [
        "id",
        "name",
        "slug",
        "mode_badge",
        "state_badge",
        "sold",
        "default_currency",
        "contact_email",
        "public_plans",
        "workflow_namespace",
        "requests_per_second",
        "checks_per_second",
        "origins",
        "users_sign_in",
        "customers",
        "created_at",
        "updated_at",
    ]

    def has_register_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.add_project")

    def has_configure_permission(
        self, request: HttpRequest, obj: Model | str | None = None
    ) -> bool:
        return request.user.has_perm("projects.change_project")

    def has_issue_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("projects.add_apikey")

    @action(
        description="Register a project",
        url_path="register",
        icon="add",
        variant=ActionVariant.PRIMARY,
        permissions=["register"],
        dialog=REGISTER,
    )
    def register(self, request: HttpRequest, form: RegisterProjectForm) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            registration = projects.register(
                **{field: data[field] for field in CHANGEABLE},
                livemode=data["livemode"],
                reason=data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return keys.show_once(request, registration.key, registration.secret)

        return dialogs.attempt(request, form, REGISTER, act)

    @action(
        description="Configure",
        url_path="configure",
        icon="edit",
        permissions=["configure"],
        dialog=CONFIGURE,
    )
    def configure(self, request: HttpRequest, form: ConfigureForm, object_id: str) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            project = projects.configure(
                project=self.row(request, object_id),
                changes={field: data[field] for field in CHANGEABLE},
                reason=data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{project} is saved.", to=columns.url(project))

        return dialogs.attempt(request, form, CONFIGURE, act)

    @action(
        description="Sign-in of users",
        url_path="sign-in",
        icon="badge",
        permissions=["configure"],
        dialog=sign_in.DIALOG,
    )
    def set_sign_in(
        self, request: HttpRequest, form: sign_in.SignInForm, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            project = projects.configure(
                project=self.row(request, object_id),
                changes={"sign_in": form.build_settings()},
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{project} is saved.", to=columns.url(project))

        return dialogs.attempt(request, form, sign_in.DIALOG, act)

    @action(
        description="Issue a key",
        url_path="issue-key",
        icon="key",
        variant=ActionVariant.PRIMARY,
        permissions=["issue"],
        dialog=key_dialog.DIALOG,
    )
    def issue_key(
        self, request: HttpRequest, form: key_dialog.IssueKeyForm, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            key, secret = api_keys.issue(
                project=self.row(request, object_id),
                request=form.key_request,
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return keys.show_once(request, key, secret)

        return dialogs.attempt(request, form, key_dialog.DIALOG, act)

    @display(description="Mode", ordering="livemode")
    def mode_badge(self, row: Project) -> object:
        return columns.badge(row.mode)

    @display(description="State")
    def state_badge(self, row: Project) -> object:
        return columns.badge("suspended" if row.suspended_at else "active")

    @display(description="Sells")
    def sold(self, row: Project) -> str:
        return ", ".join(row.sells) or columns.EMPTY

    @display(description="Return origins")
    def origins(self, row: Project) -> object:
        lines = ((origin,) for origin in row.return_origins)
        return format_html_join("", "<div>{}</div>", lines) or columns.EMPTY

    @display(description="Sign-in of users")
    def users_sign_in(self, row: Project) -> str:
        return sign_in.describe(row) or columns.EMPTY

    @display(description="Customers")
    def customers(self, row: Project) -> object:
        count = Customer.objects.for_project(row).count()
        address = columns.listing("projects.customer", project__id__exact=row.pk)
        return columns.anchor(address, f"{count:,}")

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        own = ApiKey.objects.for_project(row).select_related("app").order_by("-pk")[:20]
        apps = App.objects.for_project(row).order_by("name")[:20]
        return [keys.section(request, own), _app_section(apps)]


def _app_section(rows: Iterable[App]) -> Section:
    return Section(
        title="Apps",
        headers=["Name", "Slug", "State", "Made"],
        rows=[
            [
                columns.link(app),
                columns.code(app.slug),
                columns.badge("archived" if app.archived_at else "active"),
                columns.moment(app.created_at),
            ]
            for app in rows
        ],
        empty="No micro-app.",
    )
