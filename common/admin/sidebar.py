"""Entries of the console's sidebar: each page declares its own entry, and the console lists
them."""

from dataclasses import dataclass
from enum import StrEnum


class SidebarGroup(StrEnum):
    """Titled groups of the sidebar, from top to bottom."""

    TENANTS = "Tenants"
    CATALOG = "Catalog"
    MONEY = "Money"
    ACCESS = "Access"
    STRIPE = "Stripe"
    RECORD = "Record"
    CLOCK = "Clock"
    STAFF = "Staff"


@dataclass(frozen=True, slots=True)
class SidebarEntry:
    """``sidebar`` of a ``ModelAdmin``; a page without one is reachable from other pages only."""

    group: SidebarGroup
    position: int
    """Position within the group, from 1."""
    title: str
    icon: str
    """Name of a Material Symbols icon."""
