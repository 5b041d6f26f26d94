"""List the database tables of the product's apps."""

from django.apps import apps
from django.db import models

OURS = (
    *("common", "events", "projects", "usage", "entitlements", "billing", "webhooks", "delivery"),
    *("console", "devtools", "config"),
)


def tables_of(kind: type[models.Model] = models.Model) -> list[type[models.Model]]:
    """Every concrete model of that kind, by table name."""
    models_of_ours = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in OURS and issubclass(model, kind)
    ]
    return sorted(models_of_ours, key=lambda model: model._meta.db_table)
