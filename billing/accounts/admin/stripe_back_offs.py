"""The page of a Stripe account: requests that it refuses or does not answer."""

from django.utils.html import format_html

from billing.models import StripeAccount
from billing.stripe.permissions import REQUIRED
from billing.sync.selectors import back_offs
from common.admin import columns
from common.admin.sections import Section
from common.models import BackOff


def section(account: StripeAccount) -> Section:
    rows = BackOff.objects.filter(queue=back_offs.RULE.queue, owner=account.pk).order_by("subject")
    return Section(
        title="Requests that wait",
        headers=["Requests", "Failing since", "Tries", "Next try", "Why"],
        rows=[
            [
                columns.code(each.subject) if each.subject else "all of them",
                columns.moment(each.failing_since),
                each.failures,
                columns.moment(each.retry_at),
                each.last_error,
            ]
            for each in rows
        ],
        empty="None: Stripe answers all requests.",
        right=[2],
        prose=[4],
    )


def permissions_section(account: StripeAccount) -> Section:
    """The permissions that the account's key lacks."""
    checked = account.permissions_checked_at
    return Section(
        title="Missing permissions",
        headers=["Permission", "Needed for"],
        rows=[
            [columns.code(name), REQUIRED[name][0] if name in REQUIRED else ""]
            for name in account.missing_permissions
        ],
        empty="None." if checked else "The key was not checked yet.",
        note=format_html("Looked at {}.", columns.moment(checked)) if checked else "",
    )
