"""Keep Stripe's id of an invoice line's price that may be mirrored after the invoice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_heal_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="invoiceline",
            name="unknown_price_stripe_id",
            field=models.CharField(
                db_default="",
                default="",
                editable=False,
                help_text="While the line's price is not mirrored.",
                max_length=255,
            ),
        ),
    ]
