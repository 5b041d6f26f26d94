"""Rows of the console's page of signals to workflows."""

from datetime import datetime

from delivery.models import SignalState, WorkflowSignal
from projects.models import Project


def create_signal(project: Project, name: str, number: int, now: datetime) -> WorkflowSignal:
    return WorkflowSignal.objects.for_project(project).create(
        event_id=f"evt_{number:026d}",
        signal="PaymentConfirmed",
        workflow_id=f"{name} {number}",
        payment_id=f"pay_{number:026d}",
        state=SignalState.PARKED,
        reason="workflow_gone",
        due_at=now,
        created_at=now,
    )
