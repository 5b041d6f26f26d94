from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="syncobject",
            name="applied_digest",
            field=models.BinaryField(null=True),
        ),
    ]
