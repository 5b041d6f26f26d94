"""A webhook receiver that verifies signatures with the SDK and answers as configured."""

import stripe


class Sink:
    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.events: list[stripe.Event] = []
        self.answers: list[int] = []
        """Statuses for the next deliveries; 200 when there are none left."""

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        event = stripe.Webhook.construct_event(body, headers["Stripe-Signature"], self.secret)
        self.events.append(event)
        return self.answers.pop(0) if self.answers else 200

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]
