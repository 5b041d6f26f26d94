from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("entitlements", "0008_rechecks"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="freetierentry",
            options={"verbose_name_plural": "free tier entries"},
        ),
    ]
