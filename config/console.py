"""The operators' console: Unfold's admin site under our own roof."""

from unfold.sites import UnfoldAdminSite


class OperatorSite(UnfoldAdminSite):
    site_title = "Tollgate"
    site_header = "Tollgate"
    index_title = "Overview"
