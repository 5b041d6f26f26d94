from django.db import models


class RetentionProgress(models.Model):
    """How far the keys of a month's records are forgotten, before its table is dropped.

    The four columns are the place of the last record that is done, in the order of the records'
    index. Deleted with the month.
    """

    month = models.CharField(max_length=7, primary_key=True, help_text="2025-10")
    customer_id = models.CharField(max_length=30)
    meter_id = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    record_id = models.CharField(max_length=30, db_collation="C")

    def __str__(self) -> str:
        return self.month
