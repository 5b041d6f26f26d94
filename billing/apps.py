from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Register what lower rooms and apps call in higher ones: how each kind of object is
        mirrored, what a customer's page in the console shows and offers, and what would follow
        from products and prices that are only assumed_facts."""
        self._register_kinds()
        self._register_console()
        self._register_assumptions()

    @staticmethod
    def _register_kinds() -> None:
        """In the order in which reconciliation goes through them: owners before what they own."""
        from billing.accounts import mapping as customers
        from billing.catalog.mapping import coupons, prices, products, promotion_codes
        from billing.checkout import mapping as checkouts
        from billing.invoices import mapping as invoices
        from billing.payments.mapping import fraud_warnings, payments
        from billing.subscriptions import mapping as subscriptions
        from billing.sync import kinds

        for mapping in (
            customers,
            products,
            prices,
            coupons,
            promotion_codes,
            subscriptions,
            invoices,
            payments,
            fraud_warnings,
            checkouts,
        ):
            kinds.register(mapping.MIRRORED)

    @staticmethod
    def _register_console() -> None:
        from billing.catalog.admin import grant_dialogs
        from billing.subscriptions.admin import customer_panel
        from projects.customers.admin import panels

        panels.register(customer_panel.PANEL, name="purchases", order=50)
        for order, act in enumerate(grant_dialogs.ACTS, start=10):
            panels.register_action(act, order=order)

    @staticmethod
    def _register_assumptions() -> None:
        from billing.catalog.selectors import assumed_facts
        from entitlements.decisions import assumptions

        assumptions.register("prod", assumed_facts.product)
        assumptions.register("price", assumed_facts.price)
