from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0017_unknown_price_of_line"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="invoiceline",
            index=models.Index(
                fields=["project", "unknown_price_stripe_id"],
                condition=~models.Q(unknown_price_stripe_id=""),
                name="line_by_unknown_price",
            ),
        ),
    ]
