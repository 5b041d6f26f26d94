"""Request payment pages and read their payments."""

from collections.abc import Callable
from io import StringIO

from django.core.management import call_command

from billing.models import Payment
from projects.models import Project
from tests.billing.tenant import HOME, Json, Tenant

Drain = Callable[[], None]
DECLINED = "4000000000000002"


def request_payment(tenant: Tenant, price: Json, status: int = 201, **body: object) -> Json:
    request_body = {
        "user_id": "alice",
        "price": price["id"],
        "success_url": f"{HOME}/thanks",
        **body,
    }
    response = tenant.api.post("/payments", request_body)
    assert response.status_code == status, response.content
    return dict(response.json())


def show(tenant: Tenant, payment: Json) -> Json:
    return dict(tenant.api.get(f"/payments/{payment['id']}").json())


def agrees_with_stripe() -> None:
    """Reconciliation finds no difference, or exits."""
    call_command("reconcile", "--dry-run", stdout=StringIO())


def only_payment(project: Project) -> Payment:
    return Payment.objects.for_project(project).get()


def page(price: Json) -> Json:
    return {"user_id": "alice", "price": price["id"], "success_url": f"{HOME}/thanks"}
