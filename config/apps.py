from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    name = "config"


class ConsoleConfig(AdminConfig):
    """The admin site is ours: Unfold's own app config would quietly replace it."""

    default_site = "config.console.OperatorSite"
