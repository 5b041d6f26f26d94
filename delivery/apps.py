from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "delivery"

    def ready(self) -> None:
        """Register the shapes of our events."""
        from delivery.mail.representation import UndeliverableBody
        from delivery.webhooks.representation import WebhookEndpointBody
        from events import bodies
        from events.catalog import EventType

        bodies.register({EventType.MAIL_UNDELIVERABLE: UndeliverableBody})
        endpoint_events = [each for each in EventType if each.noun == "webhook_endpoint"]
        bodies.register(dict.fromkeys(endpoint_events, WebhookEndpointBody))
