"""The console's pages of messages."""

from delivery.mail.admin import mail_settings, notifications, suppressions

__all__ = ["mail_settings", "notifications", "suppressions"]
