from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0009_publishable_key"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=GinIndex(
                fields=["metadata"], name="payment_by_metadata", opclasses=["jsonb_path_ops"]
            ),
        ),
    ]
