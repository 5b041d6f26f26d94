from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "console"


class SiteConfig(AdminConfig):
    """Sets our admin site, which Unfold's own app config would replace."""

    default_site = "console.site.OperatorSite"
