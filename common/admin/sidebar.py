"""Entries of the console's sidebar: each page says where it stands, the console only lists them."""

from dataclasses import dataclass
from enum import StrEnum


class SidebarGroup(StrEnum):
    """The titled groups of the sidebar, from top to bottom."""

    TENANTS = "Tenants"
    CATALOG = "Catalog"
    MONEY = "Money"
    ACCESS = "Access"
    STRIPE = "Stripe"
    RECORD = "Record"
    STAFF = "Staff"


@dataclass(frozen=True, slots=True)
class SidebarEntry:
    """``sidebar`` of a ``ModelAdmin``; a page without one is reached from other pages only."""

    group: SidebarGroup
    position: int
    """Within the group, from 1."""
    title: str
    icon: str
    """A name of Material Symbols."""
