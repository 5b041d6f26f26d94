"""Drop indexes on columns that the inbound event's unique key begins with.

They cost every insert, and a plan that was made while the table was empty could use one of them
instead of the key.
"""

import django.db.models.deletion
from django.db import migrations, models

DROP = [
    "DROP INDEX CONCURRENTLY IF EXISTS webhooks_inboundevent_endpoint_id_b691006a",
    "DROP INDEX CONCURRENTLY IF EXISTS webhooks_inboundevent_endpoint_id_b691006a_like",
    "DROP INDEX CONCURRENTLY IF EXISTS webhooks_inboundevent_id_451a77c0_like",
]
CREATE = [
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_inboundevent_endpoint_id_b691006a ON webhooks_inboundevent (endpoint_id)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_inboundevent_endpoint_id_b691006a_like ON webhooks_inboundevent (endpoint_id varchar_pattern_ops)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_inboundevent_id_451a77c0_like ON webhooks_inboundevent (id varchar_pattern_ops)",
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("webhooks", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DROP, CREATE)],
            state_operations=[
                migrations.AlterField(
                    model_name="inboundevent",
                    name="endpoint",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.stripeendpoint",
                    ),
                ),
            ],
        ),
    ]
