"""Call a heal policy what the console calls it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0015_fewer_indexes"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="driftpolicy",
            options={"verbose_name": "heal policy", "verbose_name_plural": "heal policies"},
        ),
    ]
