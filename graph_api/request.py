"""The request that a query is executed for."""

from dataclasses import dataclass
from datetime import datetime

from strawberry import Info

from projects.keys.credentials import ProjectCredential
from projects.models import Project


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """The caller, the time at which decisions and usage are read, and the operation to execute if
    the query has several."""

    caller: ProjectCredential
    at: datetime
    operation_name: str | None = None

    @property
    def project(self) -> Project:
        return self.caller.project


QueryInfo = Info[QueryRequest, None]
