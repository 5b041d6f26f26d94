from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    name = "entitlements"

    def ready(self) -> None:
        """Register the panels of decisions, credits and reservations on the customer page."""
        from entitlements.consumption import admin as reservations
        from entitlements.credits.admin import credit_panel, credits
        from entitlements.grants.admin import customer_panel
        from projects.customers.admin import panels

        panels.register(customer_panel.PANEL, name="access", order=10)
        panels.register(credit_panel.PANEL, name="credits", order=12)
        panels.register_action(credits.ACT, order=30)
        panels.register(reservations.PANEL, name="reservations", order=11)
