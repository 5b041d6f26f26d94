from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

OF_THE_PROJECT = {"project:write", "catalog:write", "admin:grant"}


def take_away(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keys of apps keep the scopes that an app's key can have."""
    keys = apps.get_model("projects", "ApiKey").objects.filter(app__isnull=False)
    for key in keys.filter(scopes__overlap=sorted(OF_THE_PROJECT)).iterator():
        key.scopes = [scope for scope in key.scopes if scope not in OF_THE_PROJECT]
        key.save(update_fields=["scopes"])


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0003_customer_details"),
    ]

    operations = [migrations.RunPython(take_away, migrations.RunPython.noop)]
