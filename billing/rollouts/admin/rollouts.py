from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.access.selectors.move_counts import with_moves
from billing.models import Rollout
from billing.rollouts import selectors as rollout_selectors
from billing.rollouts import service as rollouts
from billing.rollouts.admin import impact_sections
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.models import RunStatus

APPLY = dialogs.describe(
    "Apply",
    "The product is changed as planned. In the background its holders are recomputed, and the "
    "planned subscriptions are moved one by one.",
    submit="Apply",
)
DISCARD = dialogs.describe(
    "Discard the plan",
    "It stays visible and will not be applied.",
    submit="Discard the plan",
    keep="Keep the plan",
)
RECOMPUTE = dialogs.describe(
    "Recompute holders",
    "All holders of the product are recomputed from our own rows, without Stripe.",
    submit="Recompute",
)
MAX_SHOWN = 50
"""Refused moves that the page lists."""


@admin.register(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    """Product changes that are planned, or applied to holders."""

    sidebar = SidebarEntry(SidebarGroup.CATALOG, 6, "Changes", icon="rule")
    actions_detail: ClassVar[Sequence[str]] = ["apply_change", "discard", "recompute"]
    search_fields = ["id__exact", "product__id__exact"]
    list_select_related = ["project", "product"]
    list_display = [
        "id",
        "product_link",
        "project_link",
        "status_badge",
        "progress",
        "moves",
        "started_by",
        "created_at",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", RunStatus.values),
        filters.dates("created_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "product_link",
                    "project_link",
                    "catalog_version",
                    "status_badge",
                    "progress",
                    "changed",
                    "moves",
                    "failures",
                    "started_by",
                    "reason",
                    "created_at",
                    "applied_at",
                    "finished_at",
                )
            },
        ),
        ("What is planned", {"fields": ("terms_document",)}),
    ]

    def has_sell_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_product")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_moves(super().get_queryset(request))

    @action(
        description="Apply",
        url_path="apply",
        icon="play_arrow",
        permissions=["sell"],
        dialog=APPLY,
    )
    def apply_change(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        return self._decide(
            request,
            form,
            APPLY,
            rollouts.apply,
            row=self.row(request, object_id),
            message="Applied. Its holders are recomputed in the background.",
        )

    @action(
        description="Discard",
        url_path="discard",
        icon="block",
        permissions=["sell"],
        dialog=DISCARD,
    )
    def discard(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            form,
            DISCARD,
            rollouts.discard,
            row=self.row(request, object_id),
            message="Discarded.",
        )

    @action(
        description="Recompute holders",
        url_path="recompute",
        icon="refresh",
        permissions=["sell"],
        dialog=RECOMPUTE,
    )
    def recompute(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        product = self.row(request, object_id).product
        rollouts.recompute_holders(
            product=product,
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
        )
        return dialogs.finish(request, "Its holders are recomputed.", to=columns.url(product))

    def _decide(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        dialog: dict[str, Any],
        decide: Callable[..., Rollout],
        *,
        row: Rollout,
        message: str,
    ) -> HttpResponse:
        def act() -> HttpResponse:
            decide(
                rollout=row,
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Product", ordering="product__name")
    def product_link(self, row: Rollout) -> object:
        return columns.link(row.product)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Rollout) -> object:
        return columns.link(row.project)

    @display(description="Status", ordering="status")
    def status_badge(self, row: Rollout) -> object:
        return columns.badge(row.status)

    @display(description="Holders done")
    def progress(self, row: Rollout) -> str:
        return columns.EMPTY if row.total is None else f"{row.looked_at:,} of {row.total:,}"

    @display(description="Subscriptions moved")
    def moves(self, row: Any) -> str:
        if not row.move_count:
            return columns.EMPTY
        return f"{row.moved:,} of {row.move_count:,}, {row.refused:,} refused"

    @display(description="Customers that failed")
    def failures(self, row: Rollout) -> str:
        return ", ".join(row.failed) or columns.EMPTY

    @display(description="Terms")
    def terms_document(self, row: Rollout) -> object:
        return columns.document(row.terms)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        if not row.is_plan:
            return []
        return [*impact_sections.impact_sections(row.figures), _refusals(row)]


def _refusals(row: Rollout) -> Section:
    moves = rollout_selectors.refusals(rollout=row, limit=MAX_SHOWN)
    return Section(
        title="Subscriptions that could not be moved",
        headers=["Subscription", "Customer", "Why", "In words"],
        rows=[
            [
                columns.link(move.subscription, move.subscription_id),
                columns.link(move.subscription.customer),
                columns.code(move.code),
                move.detail or columns.EMPTY,
            ]
            for move in moves
        ],
        empty="None so far.",
        prose=[3],
    )
