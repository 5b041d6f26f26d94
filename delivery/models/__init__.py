"""Tables of the ways out, one file per noun."""

from delivery.models.bus_checkpoint import BusCheckpoint
from delivery.models.held_entry import HeldEntry
from delivery.models.inbound_refusal import InboundRefusal
from delivery.models.inbound_secret import InboundSecret
from delivery.models.inbound_settings import InboundSettings
from delivery.models.inbound_user import InboundUser
from delivery.models.inbox_entry import InboxEntry
from delivery.models.mail_opt_out import MailOptOut
from delivery.models.mail_settings import MailSettings
from delivery.models.mail_suppression import MailSuppression, SuppressionReason
from delivery.models.notification import Channel, Notification, NotificationState
from delivery.models.outlet import Outlet
from delivery.models.webhook_attempt import WebhookAttempt
from delivery.models.webhook_check import CheckGrade, CheckState, WebhookCheck
from delivery.models.webhook_delivery import DeliveryKind, DeliveryState, WebhookDelivery
from delivery.models.webhook_endpoint import (
    DisabledReason,
    EndpointState,
    EventOrder,
    WebhookEndpoint,
)
from delivery.models.webhook_portal import WebhookPortal
from delivery.models.webhook_replay import ReplayState, WebhookReplay
from delivery.models.webhook_secret import WebhookSecret
from delivery.models.workflow_signal import SignalState, WorkflowSignal

__all__ = [
    "BusCheckpoint",
    "Channel",
    "CheckGrade",
    "CheckState",
    "DeliveryKind",
    "DeliveryState",
    "DisabledReason",
    "EndpointState",
    "EventOrder",
    "HeldEntry",
    "InboundRefusal",
    "InboundSecret",
    "InboundSettings",
    "InboundUser",
    "InboxEntry",
    "MailOptOut",
    "MailSettings",
    "MailSuppression",
    "Notification",
    "NotificationState",
    "Outlet",
    "ReplayState",
    "SignalState",
    "SuppressionReason",
    "WebhookAttempt",
    "WebhookCheck",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookPortal",
    "WebhookReplay",
    "WebhookSecret",
    "WorkflowSignal",
]
