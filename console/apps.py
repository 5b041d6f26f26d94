from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class ConsoleConfig(AppConfig):
    name = "console"


class SiteConfig(SimpleAdminConfig):
    """Sets our admin site, which Unfold's own app config would replace. Its pages are loaded with
    the URLs and before they are checked: most processes need none."""

    default_site = "console.site.OperatorSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Sequence[CheckMessage]:
    """Check every page of the console."""
    autodiscover()
    return check_admin_app(app_configs, **kwargs)
