from django.apps import AppConfig


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        """Register the panel of usage on the console's customer page."""
        from projects.customers.admin import panels
        from usage.records import admin as customer_panel

        panels.register(customer_panel.PANEL, name="usage", order=13)
