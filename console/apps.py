from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "console"


class SiteConfig(AdminConfig):
    """The admin site is ours: Unfold's own app config would quietly replace it."""

    default_site = "console.site.OperatorSite"
