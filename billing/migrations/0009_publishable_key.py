from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_reconciliations"),
    ]

    operations = [
        migrations.AddField(
            model_name="stripeaccount",
            name="publishable_key",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="pk_…, for Stripe.js in front ends. It is no secret.",
                max_length=255,
            ),
        ),
    ]
