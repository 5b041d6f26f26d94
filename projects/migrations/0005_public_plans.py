from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0004_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="public_plans",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whether GET /billing/plans answers without a user's token.",
            ),
        ),
    ]
