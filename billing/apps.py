from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Show what a customer bought, and offer grants, on the console's customer page."""
        from billing.admin import customer_panel, granting
        from projects.admin import panels

        panels.register(customer_panel.panel, name="purchases", order=50)
        for act in granting.ACTS:
            panels.register_act(act)
