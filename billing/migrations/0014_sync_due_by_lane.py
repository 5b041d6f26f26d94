from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0013_sync_lanes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="syncobject",
            index=models.Index(
                condition=models.Q(applied__lt=models.F("requested"), parked_at__isnull=True),
                fields=["account", "kind", "lane", "next_try_at"],
                name="sync_due_by_lane",
            ),
        ),
        RemoveIndexConcurrently(model_name="syncobject", name="sync_due_by_kind"),
    ]
