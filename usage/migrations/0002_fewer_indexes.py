"""Drop indexes on columns of the counter's primary key.

They cost every insert, and a plan that was made while the table was empty could use one of them
instead of the key.
"""

import django.db.models.deletion
from django.db import migrations, models

DROP = [
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_customer_id_1d6c39bc",
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_customer_id_1d6c39bc_like",
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_meter_id_d4ec9795",
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_meter_id_d4ec9795_like",
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_project_id_1ae256f4",
    "DROP INDEX CONCURRENTLY IF EXISTS usage_counter_project_id_1ae256f4_like",
]
CREATE = [
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_customer_id_1d6c39bc ON usage_counter (customer_id)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_customer_id_1d6c39bc_like ON usage_counter (customer_id varchar_pattern_ops)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_meter_id_d4ec9795 ON usage_counter (meter_id)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_meter_id_d4ec9795_like ON usage_counter (meter_id varchar_pattern_ops)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_project_id_1ae256f4 ON usage_counter (project_id)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_counter_project_id_1ae256f4_like ON usage_counter (project_id varchar_pattern_ops)",
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("usage", "0001_initial"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DROP, CREATE)],
            state_operations=[
                migrations.AlterField(
                    model_name="counter",
                    name="project",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                migrations.AlterField(
                    model_name="counter",
                    name="customer",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="projects.customer",
                    ),
                ),
                migrations.AlterField(
                    model_name="counter",
                    name="meter",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="usage.meter",
                    ),
                ),
            ],
        ),
    ]
