"""Tables of meters, records, totals and counters."""

from usage.models.counter import Counter
from usage.models.meter import Meter
from usage.models.movement import Movement
from usage.models.record import Record, RecordKey
from usage.models.retention_progress import RetentionProgress
from usage.models.total import Total

__all__ = ["Counter", "Meter", "Movement", "Record", "RecordKey", "RetentionProgress", "Total"]
