from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        """Register the panel of usage on the console's customer page, and the shapes of our
        events."""
        from events import bodies
        from events.catalog import EventType
        from projects.customers.admin import panels
        from usage.meters.representation import MeterBody, RecordBody, UsageRefusalBody
        from usage.records import admin as customer_panel

        panels.register(customer_panel.PANEL, name="usage", order=13)
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
