"""The key of a record's key is its id alone: project and key of the sender are both in it, and the
index is half as large. The rows stay where they are; one index is built over them."""

from django.db import migrations, models

NARROW = """
ALTER TABLE usage_recordkey
    DROP CONSTRAINT usage_recordkey_pkey,
    ADD PRIMARY KEY (id),
    DROP COLUMN recorded_at
"""
WIDE = """
ALTER TABLE usage_recordkey
    DROP CONSTRAINT usage_recordkey_pkey,
    ADD PRIMARY KEY (project_id, id),
    ADD COLUMN recorded_at timestamptz;
UPDATE usage_recordkey SET recorded_at = occurred_at;
ALTER TABLE usage_recordkey ALTER COLUMN recorded_at SET NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0005_records_by_place"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(NARROW, WIDE)],
            state_operations=[
                migrations.RemoveField(model_name="recordkey", name="pk"),
                migrations.RemoveField(model_name="recordkey", name="recorded_at"),
                migrations.AlterField(
                    model_name="recordkey",
                    name="id",
                    field=models.CharField(
                        db_collation="C", max_length=30, primary_key=True, serialize=False
                    ),
                ),
            ],
        ),
    ]
