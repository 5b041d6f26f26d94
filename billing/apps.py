from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Show what a customer bought, and offer grants, on the console's customer page; say what
        would follow from products and prices that are only assumed."""
        from billing.admin import customer_panel, granting
        from billing.selectors import assumed
        from entitlements import assumptions
        from projects.admin import panels

        assumptions.register("prod", assumed.product)
        assumptions.register("price", assumed.price)

        panels.register(customer_panel.PANEL, name="purchases", order=50)
        for order, act in enumerate(granting.ACTS, start=10):
            panels.register_act(act, order=order)
