from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_traces"),
    ]

    operations = [
        migrations.AddField(
            model_name="syncobject",
            name="lane",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The project for which it waits in the queue; empty while it is not known.",
                max_length=64,
            ),
        ),
    ]
