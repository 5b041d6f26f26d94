from django.db import migrations, models


class Migration(migrations.Migration):
    """The trace in which an event was recorded, for its outgoing webhooks."""

    dependencies = [("events", "0004_forget_relayed_at")]

    operations = [
        migrations.AddField(
            model_name="outboxevent",
            name="traceparent",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="What it was recorded in (W3C).",
                max_length=55,
            ),
        ),
    ]
