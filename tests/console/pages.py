"""Find every page of rows that the console registers."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from unfold.admin import ModelAdmin

from common.admin.pages import ConsoleAdmin, everywhere
from projects.customers.admin import panels
from projects.models import Customer
from tests.console.world import World


@dataclass(frozen=True)
class Page:
    model: type[Model]
    admin: ModelAdmin

    @property
    def name(self) -> str:
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}"

    @property
    def listing(self) -> str:
        return reverse(f"admin:{self.name}_changelist")

    @property
    def add(self) -> str:
        return reverse(f"admin:{self.name}_add")

    def of(self, row: Model, view: str = "change") -> str:
        return reverse(f"admin:{self.name}_{view}", args=[quote(str(row.pk))])

    def row_of(self, world: World) -> Model:
        rows = [row for row in vars(world).values() if type(row) is self.model]
        return rows[0] if rows else everywhere(self.model)[0]

    def list_dialogs(self) -> list[str]:
        return [
            reverse(f"admin:{each.action_name}") for each in self.admin._get_base_actions_list()
        ]

    def row_dialogs(self, row: Model) -> list[str]:
        actions = self.admin._get_base_actions_detail()
        addresses = [
            reverse(f"admin:{each.action_name}", args=[quote(str(row.pk))]) for each in actions
        ]
        if self.model is Customer:
            addresses += [self.of(row, act.name) for act in panels.all_actions()]
        return addresses


def pages() -> Iterator[Page]:
    """Every page of rows that the console has, without staff accounts."""
    admin.autodiscover()
    for model in filter(admin.site.is_registered, apps.get_models()):
        page = admin.site.get_model_admin(model)
        if isinstance(page, ConsoleAdmin):
            yield Page(model, page)


PAGES = sorted(pages(), key=lambda page: page.name)
NAMES = [page.name for page in PAGES]
