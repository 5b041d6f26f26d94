from django.db import migrations, models


class Migration(migrations.Migration):
    """The trace that a Stripe object belongs to, for a day after a request of ours for it; and
    the trace of the request that began a write at Stripe."""

    dependencies = [("billing", "0011_syncobject_event_created_at")]

    operations = [
        migrations.AddField(
            model_name="syncobject",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", max_length=55),
        ),
        migrations.AddField(
            model_name="syncobject",
            name="traced_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="stripeintent",
            name="traceparent",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="What it was requested in (W3C).",
                max_length=55,
            ),
        ),
    ]
