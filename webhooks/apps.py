from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        """What Stripe has told us of a customer goes with the customer."""
        from billing.customers import erasure as billing
        from webhooks.services import erasure

        billing.register(erasure.forget)
