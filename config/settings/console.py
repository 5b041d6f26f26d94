"""Appearance of the operators' console: brand, colours, sidebar. Nothing is loaded from other
hosts."""

from django.templatetags.static import static
from django.utils.functional import lazy

AXES_ENABLE_ADMIN = False
FORMAT_MODULE_PATH = ["console.formats"]

_static = lazy(static, str)

UNFOLD = {
    "SITE_TITLE": "Tollgate",
    "SITE_HEADER": "Tollgate",
    "SITE_SUBHEADER": "Operators’ console",
    "SITE_URL": None,
    "SITE_ICON": _static("console/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _static("console/logo.svg")},
    ],
    "SCRIPTS": [_static("console/console.js")],
    "STYLES": [_static("console/console.css")],
    "ENVIRONMENT": "console.site.stripe_mode",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .019 200.873)",
            "100": "oklch(95.6% .045 203.388)",
            "200": "oklch(91.7% .08 205.041)",
            "300": "oklch(86.5% .127 207.078)",
            "400": "oklch(78.9% .154 211.53)",
            "500": "oklch(66% .13 217)",
            "600": "oklch(52% .105 223.128)",
            "700": "oklch(45% .085 224.283)",
            "800": "oklch(39.8% .07 227.392)",
            "900": "oklch(34% .06 228)",
            "950": "oklch(27% .05 229.695)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "console.sidebar.navigation",
    },
    "COMMAND": {"search_models": False, "search_callback": "console.finder.find"},
}
