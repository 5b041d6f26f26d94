"""A desk that refunds and disputes payments and watches access and events."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.utils import timezone

from entitlements.decisions.selectors import decisions
from entitlements.resolution.decision import Decision
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant

Drain = Callable[[], None]
Answers = tuple[str, int | None]


class Desk:
    """Sells ten seats and the right to export, refunds them, and reads the access that is left."""

    def __init__(self, tenant: Tenant, project: Project, drain: Drain) -> None:
        self.tenant, self.project, self.drain = tenant, project, drain
        tenant.feature(project, "export")
        tenant.feature(project, "seats", kind="limit")

    def price(self, amount: int = 1000, **body: Any) -> Json:
        """A price, one-time by default, of a product with these policies."""
        policies = {name: body.pop(name) for name in list(body) if name.endswith("_policy")}
        features = [{"feature": "export"}, {"feature": "seats", "value": 10}]
        sold = self.tenant.product("Pro", features=body.pop("features", features), **policies)
        return self.tenant.price(sold, amount=amount, **{"interval": None, **body})

    def sell(self, price: Json, user_id: str = "alice") -> Json:
        """The payment."""
        self.tenant.sell(price, user_id)
        self.drain()
        rows = self.tenant.api.get("/payments", query={"user_id": user_id}).json()["data"]
        return dict(rows[0])

    def refund(self, payment: Json, **body: Any) -> Json:
        response = self.tenant.api.post(f"/payments/{payment['id']}/refunds", body)
        assert response.status_code == 201, response.content
        self.drain()
        return dict(response.json())

    def payment(self, payment: Json) -> Json:
        return dict(self.tenant.api.get(f"/payments/{payment['id']}").json())

    def decision(self, feature: str, user_id: str = "alice") -> Decision:
        project, at = self.project, timezone.now()
        return decisions.check(project=project, user_id=user_id, feature=feature, at=at)

    def decides_as(self, expected: Decision, user_id: str) -> bool:
        """Whether the feature is decided like this now, whatever the version of the customer."""
        decision = self.decision(expected.feature, user_id)
        return replace(decision, version=expected.version) == expected

    def has(self, user_id: str = "alice") -> Answers:
        """Why the right to export is as it is, and how many seats there are."""
        return (
            self.decision("export", user_id).reason.value,
            self.decision("seats", user_id).limit,
        )

    def new_event_types(self) -> list[str]:
        """The types of the outbox events since the last call."""
        types = outbox_events.types(self.project)
        seen, self._event_count = getattr(self, "_event_count", 0), len(types)
        return types[seen:]


ALL, NONE = ("entitled", 10), ("not_entitled", 0)
REFUNDED, CHANGED = ["payment.refunded", "payment.refund_succeeded"], "entitlements.changed"
