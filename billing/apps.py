from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        """Register functions that lower rooms and apps call: mappers of object kinds, the effects
        of assumed products and prices on entitlements, and the shapes of our events."""
        self._register_kinds()
        self._register_assumptions()
        self._register_events()
        self._register_created_rows()

    @staticmethod
    def _register_kinds() -> None:
        """Register the kinds in the order of reconciliation: owners before the objects that they
        own."""
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
            checkouts,
            payments,
            fraud_warnings,
        ):
            kinds.register(mapping.MIRRORED)

    @staticmethod
    def _register_assumptions() -> None:
        from billing.catalog.selectors import assumed_facts
        from entitlements.decisions import assumptions

        assumptions.register("prod", assumed_facts.product)
        assumptions.register("price", assumed_facts.price)

    @staticmethod
    def _register_created_rows() -> None:
        from billing.catalog import catalog_events

        catalog_events.register()

    @staticmethod
    def _register_events() -> None:
        from billing.accounts.customer_events import StripeCustomerBody
        from billing.checkout.representation.carts import CartBody
        from billing.checkout.representation.checkouts import CheckoutBody
        from billing.outbound.parked_writes import StripeWriteBody
        from billing.representation.catalog import PriceBody, ProductBody
        from billing.representation.checkout_lines import PurchasedLineBody
        from billing.representation.coupons import CouponBody, PromotionCodeBody
        from billing.representation.invoices import InvoiceBody
        from billing.representation.payments import PaymentBody
        from billing.representation.rollouts import RolloutBody
        from billing.representation.stripe_accounts import StripeKeyBody
        from billing.representation.subscriptions import SubscriptionBody
        from billing.sync.parked_objects import StripeObjectBody
        from events import bodies
        from events.catalog import EventType
        from usage.meters.representation import UsageRefusalBody, UsageVoidRefusalBody

        body_of_noun = {
            "product": ProductBody,
            "rollout": RolloutBody,
            "stripe_account": StripeKeyBody,
            "stripe_customer": StripeCustomerBody,
            "stripe_object": StripeObjectBody,
            "stripe_write": StripeWriteBody,
            "price": PriceBody,
            "coupon": CouponBody,
            "promotion_code": PromotionCodeBody,
            "cart": CartBody,
            "checkout": CheckoutBody,
            "checkout_line": PurchasedLineBody,
            "invoice": InvoiceBody,
            "payment": PaymentBody,
            "subscription": SubscriptionBody,
        }
        bodies.register(
            {
                event_type: body_of_noun[event_type.noun]
                for event_type in EventType
                if event_type.noun in body_of_noun
            }
        )
        bodies.register(
            {
                EventType.USAGE_REFUSED: UsageRefusalBody,
                EventType.USAGE_VOID_REFUSED: UsageVoidRefusalBody,
            }
        )
