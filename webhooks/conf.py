from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebhooksSettings:
    """Limits for Stripe's events. Sizes in bytes, times in seconds."""

    max_body: int = 1024 * 1024
    tolerance: int = 300
    max_signatures: int = 5
