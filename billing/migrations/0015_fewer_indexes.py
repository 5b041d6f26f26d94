"""Drop indexes on columns that the sync object's unique key begins with.

They cost every insert, and a plan that was made while the table was empty could use one of them
instead of the key.
"""

import django.db.models.deletion
from django.db import migrations, models

DROP = [
    "DROP INDEX CONCURRENTLY IF EXISTS billing_syncobject_account_id_5b6e4aa0",
    "DROP INDEX CONCURRENTLY IF EXISTS billing_syncobject_account_id_5b6e4aa0_like",
]
CREATE = [
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS billing_syncobject_account_id_5b6e4aa0 ON billing_syncobject (account_id)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS billing_syncobject_account_id_5b6e4aa0_like ON billing_syncobject (account_id varchar_pattern_ops)",
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0014_sync_due_by_lane"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DROP, CREATE)],
            state_operations=[
                migrations.AlterField(
                    model_name="syncobject",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="billing.stripeaccount",
                    ),
                ),
            ],
        ),
    ]
