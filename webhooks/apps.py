from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        """Register the erasure of a customer's events."""
        from billing.customers import erasure as billing
        from webhooks.services import erasure

        billing.register(erasure.forget)
