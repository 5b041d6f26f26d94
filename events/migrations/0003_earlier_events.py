from django.db import migrations

from events.migrations import _tables


class Migration(migrations.Migration):
    """Events that were recorded before there was a log get their places, too.

    A migration of its own: that of the trigger must be committed, so that no event is in neither.
    """

    dependencies = [("events", "0002_log")]

    operations = [
        migrations.RunSQL(sql=_tables.ENTER_EARLIER_EVENTS, reverse_sql=migrations.RunSQL.noop),
    ]
