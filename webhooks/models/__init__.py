from webhooks.models.inbound_event import InboundEvent

__all__ = ["InboundEvent"]
