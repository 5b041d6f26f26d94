from django.db import models


class RetentionProgress(models.Model):
    """Progress of deleting the keys of a month's records, before its partition is dropped.

    The four columns identify the last processed record, in the order of the records' index. Deleted
    with the month.
    """

    month = models.CharField(max_length=7, primary_key=True, help_text="2025-10")
    customer_id = models.CharField(max_length=30)
    meter_id = models.CharField(max_length=30)
    occurred_at = models.DateTimeField()
    record_id = models.CharField(max_length=30, db_collation="C")

    def __str__(self) -> str:
        return self.month
