"""Base classes and constraints of the apps' tables (``docs/decisions/0002-tenancy.md``)."""

from common.models.back_off import BackOff
from common.models.batch_run import BatchRun, RunStatus
from common.models.heartbeat import Heartbeat
from common.models.project_owned import (
    ProjectManager,
    ProjectOwned,
    ProjectQuerySet,
    UnscopedQuery,
    project_id_of,
)
from common.models.tenant_foreign_key import TenantForeignKey, tenant_key, tenant_links

__all__ = [
    "BackOff",
    "BatchRun",
    "Heartbeat",
    "ProjectManager",
    "ProjectOwned",
    "ProjectQuerySet",
    "RunStatus",
    "TenantForeignKey",
    "UnscopedQuery",
    "project_id_of",
    "tenant_key",
    "tenant_links",
]
