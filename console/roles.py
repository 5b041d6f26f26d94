"""Roles of the console: two groups of permissions, created and updated by ``apply``.

*Viewers* see everything but staff accounts. *Operators* may also act: each permission below opens
dialogs that ask for a reason. Staff accounts, groups and platform keys need a superuser.
"""

from django.contrib.auth.models import Group, Permission

APPS = ("common", "projects", "usage", "entitlements", "billing", "webhooks", "events", "delivery")
CLOCK = "django_celery_beat"
"""The app whose table lists the chores."""

OPERATOR_PERMISSIONS = (
    "common.change_backoff",
    "projects.add_project",
    "projects.change_project",
    "projects.add_apikey",
    "projects.change_apikey",
    "django_celery_beat.change_periodictask",
    "billing.add_refund",
    "billing.change_product",
    "billing.change_price",
    "billing.change_subscription",
    "billing.change_syncobject",
    "billing.change_missingobject",
    "billing.change_reconciliation",
    "billing.change_driftreport",
    "billing.change_driftpolicy",
    "billing.change_stripeintent",
    "billing.change_stripemeter",
    "billing.add_stripeaccount",
    "billing.change_stripeaccount",
    "entitlements.add_feature",
    "entitlements.change_feature",
    "entitlements.add_grant",
    "entitlements.change_grant",
    "entitlements.add_creditgrant",
    "entitlements.change_creditgrant",
    "entitlements.add_freetierentry",
    "entitlements.change_freetierentry",
    "usage.add_meter",
    "usage.change_meter",
    "webhooks.change_inboundevent",
    "delivery.change_heldentry",
    "delivery.change_notification",
    "delivery.change_mailsuppression",
    "delivery.change_workflowsignal",
    "delivery.change_webhookendpoint",
    "delivery.change_webhookdelivery",
)
"""Pause and resume chores; register, configure and suspend projects; issue, rotate and revoke keys;
refund payments; cancel, pause and resume subscriptions; change products, activate and archive
prices; request syncs; decide about parked requests to Stripe and about missing objects; start,
pause and stop reconciliations, heal differences and change the heal policies; connect Stripe
accounts; define and archive features and meters; change the free tier; grant and revoke access;
replay events; let consumers of the bus try events again; send messages and signals again, and lift
suppressions of addresses; test, enable, disable and delete webhook endpoints, send deliveries
again, and make links to the page of webhooks."""

VIEWERS, OPERATORS = "Viewers", "Operators"


def apply() -> dict[str, Group]:
    """Give both groups exactly these permissions. Returns the groups by name; safe to repeat."""
    permissions = list(
        Permission.objects.filter(content_type__app_label__in=[*APPS, CLOCK]).values_list(
            "pk", "content_type__app_label", "codename"
        )
    )
    view_permissions = [pk for pk, _, codename in permissions if codename.startswith("view_")]
    operator_permissions = [
        pk for pk, app, codename in permissions if f"{app}.{codename}" in OPERATOR_PERMISSIONS
    ]
    groups = {}
    for name, group_permissions in {
        VIEWERS: view_permissions,
        OPERATORS: [*view_permissions, *operator_permissions],
    }.items():
        groups[name], _ = Group.objects.get_or_create(name=name)
        groups[name].permissions.set(group_permissions)
    return groups
