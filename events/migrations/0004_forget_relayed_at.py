from django.db import migrations


class Migration(migrations.Migration):
    """Nothing reads ``relayed_at``. Its index, which every event paid for, is dropped now; the
    column stays for processes of the release before, which insert into it, and is dropped in the
    next one."""

    dependencies = [("events", "0003_earlier_events")]

    operations = [
        migrations.RemoveIndex(model_name="outboxevent", name="outbox_not_relayed"),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="outboxevent", name="relayed_at")],
        ),
    ]
