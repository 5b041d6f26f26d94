"""Record ``user.permissions_changed`` when a customer's set of permissions differs from the last.

The permissions follow from the decisions and the project's map, and from nothing else. They are
compared with those of the customer's last event, so that a new map is announced as a new decision
is. A project without a map records nothing.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from common.prepared_queries import Parameter, PreparedQuery
from entitlements import representation
from entitlements.models import PermissionMap, UserPermissions
from entitlements.resolution.decision import Decision
from events.catalog import EventType
from events.log import outbox
from projects.models import Customer

PermissionNames = Mapping[str, list[str]]
"""Names of permissions by feature code."""

_MAP = PreparedQuery(lambda: PermissionMap.objects.for_project(Parameter("project_id")))


def map_of(project_id: str) -> PermissionNames | None:
    """The project's map; None for a project without one."""
    row = _MAP.first(project_id=project_id)
    return None if row is None else row.permissions


def derive(names: PermissionNames, decisions: Mapping[str, Decision]) -> list[str]:
    """The permissions of a user with these decisions, sorted. Use of a quota does not matter."""
    return sorted(
        {
            permission
            for code, permissions in names.items()
            if code in decisions and decisions[code].allowed
            for permission in permissions
        }
    )


def last_of(*, project_id: str, customer_ids: Collection[str]) -> dict[str, list[str]]:
    """The permissions of these customers in their last event; customers without one are absent."""
    rows = UserPermissions.objects.for_project(project_id).filter(customer_id__in=customer_ids)
    return dict(rows.values_list("customer_id", "permissions"))


def notify(
    *,
    customer: Customer,
    names: PermissionNames,
    decisions: Mapping[str, Decision],
    last: Collection[str],
    at: datetime,
) -> None:
    """Record the customer's permissions, unless they are those of the ``last`` event.

    The caller holds the customer's lock, and has read ``names`` and ``last`` since.
    """
    before, after = list(last), derive(names, decisions)
    if before == after:
        return
    outbox.record(
        project_id=customer.project_id,
        event_type=EventType.USER_PERMISSIONS_CHANGED,
        subject=customer.pk,
        data=representation.user_permissions(customer, after),
        at=at,
        customer_id=customer.pk,
        version=customer.version,
        previous={"permissions": before},
    )
    _store(customer, after, at)


def _store(customer: Customer, permissions: list[str], at: datetime) -> None:
    row = UserPermissions(
        project_id=customer.project_id,
        customer_id=customer.pk,
        permissions=permissions,
        recorded_at=at,
    )
    UserPermissions.objects.for_project(customer.project_id).bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["project", "customer"],
        update_fields=["permissions", "recorded_at"],
    )
