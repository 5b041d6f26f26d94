"""Addresses outside the API, for readers of mails and for mail providers."""

from django.urls import path

from delivery.mail.api import tracking, unsubscribe

urlpatterns = [
    path("mail/unsubscribe/<str:token>", unsubscribe.unsubscribe, name="mail-unsubscribe"),
    path("mail/tracking/<str:provider>", tracking.receive, name="mail-tracking"),
]
