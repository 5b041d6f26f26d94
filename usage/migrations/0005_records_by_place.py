"""An index to find records by, half as large as the primary key that it replaces: that an id is
there once is kept by the table of keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0004_records_that_wait"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="record",
            index=models.Index(
                fields=["customer", "meter", "occurred_at"], name="usage_record_place"
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE usage_record DROP CONSTRAINT usage_record_pkey",
            "ALTER TABLE usage_record ADD CONSTRAINT usage_record_pkey "
            "PRIMARY KEY (project_id, customer_id, meter_id, occurred_at, id)",
        ),
    ]
