"""The filter and the badge for products and prices on sale."""

from django.db.models import Q

from billing.models import Price, Product
from common.admin import columns, filters


class OnSaleFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"on_sale": Q(active=True), "off_sale": Q(active=False)}


def badge(row: Product | Price) -> object:
    return columns.badge("on sale", tone="success") if row.active else columns.badge("off sale")
