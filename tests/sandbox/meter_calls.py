"""Read meter totals, refusals and invoice lines."""

from tests.sandbox.shop import DAY, NOW

HOUR = 3600


def total(shop, meter, customer, *, start=NOW - 40 * DAY, end=NOW + 40 * DAY, **params):
    """The customer's usage within whole minutes, from the meter's summaries."""
    body = {"customer": customer, "start_time": start, "end_time": end, **params}
    summaries = shop.client.v1.billing.meters.event_summaries.list(meter, body)
    return [(each.start_time, each.aggregated_value) for each in summaries.auto_paging_iter()]
