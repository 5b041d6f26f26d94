from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        """Register the shapes of our events."""
        from events import bodies
        from events.catalog import EventType
        from usage.meters.representation import MeterBody, RecordBody, UsageRefusalBody

        bodies.register(
            {
                EventType.METER_CREATED: MeterBody,
                EventType.METER_UPDATED: MeterBody,
                EventType.METER_ARCHIVED: MeterBody,
                EventType.USAGE_VOIDED: RecordBody,
                EventType.USAGE_CORRECTED: RecordBody,
                EventType.USAGE_EXPIRED: UsageRefusalBody,
            }
        )
