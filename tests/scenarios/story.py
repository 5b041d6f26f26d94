"""A tenant's story over simulated months, through HTTP only.

Time passes for Stripe and for us together. After each thing that happens at Stripe its webhooks
arrive, are read and applied, and the periodic tasks run, at that very second.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import time_machine
from django.core.management import call_command
from django.db import connection

from billing.models import StripeCustomer
from projects.models import Project
from sandbox import engine
from tests.api_client import ApiClient
from tests.back_offs import end_pauses
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant
from tests.billing_fixtures import SandboxStripe
from tests.scenarios import chores


class CommittingClient(ApiClient):
    """A client whose requests run the callbacks of the commit, as outside of a test."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        response = super().request(*args, **kwargs)
        commit()
        return response


def commit() -> None:
    """Run the commit callbacks that the transaction around a test holds back."""
    callbacks, connection.run_on_commit = connection.run_on_commit, []
    for _, callback, *_ in callbacks:
        callback()


class Story(Tenant):
    """A tenant and its users; every helper asserts that the service accepted the request."""

    def __init__(
        self,
        *,
        api: ApiClient,
        stripe: SandboxStripe,
        project: Project,
        traveller: time_machine.Traveller,
        drain: Callable[[], None],
    ) -> None:
        super().__init__(CommittingClient(api.key), stripe)
        self.project = project
        self._traveller = traveller
        self._drain = drain
        self._event_count = 0

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.stripe.world.clock.now(), tz=UTC)

    def process_everything(self) -> None:
        """Deliver webhooks, run workers and the periodic tasks that have rows to work on."""
        self._traveller.move_to(self.now)
        end_pauses()
        self._drain()
        chores.run_due()
        self._drain()
        commit()

    def advance(self, **duration: float) -> None:
        """Let time pass: ``advance(days=31)``."""
        self.advance_to(self.now + timedelta(**duration))

    def advance_to(self, moment: datetime) -> None:
        self.process_everything()
        engine.advance(self.stripe.world, int(moment.timestamp()), on_step=self.process_everything)
        self.process_everything()

    def sells(self, name: str, amount: int = 2900, **how: Any) -> Json:
        """A product with one price, and features that are on or have a number: the price.

        ``sells("Pro", 9900, interval="year", features={"sso": True, "seats": 5})``
        """
        features = how.pop("features", {})
        product = how.pop("product", {})
        for code, value in features.items():
            self._define(code, "boolean" if value is True else "limit")
        entitles = [{"feature": code, "value": value} for code, value in features.items()]
        return self.price(self.product(name, features=entitles, **product), amount, **how)

    def buys(self, price: Json, user_id: str = "alice", *, card: str = "", **body: Any) -> Json:
        """The user buys on the hosted page, and everything about it arrives: the checkout."""
        checkout = self.open(price, user_id, **body)
        paid = self.pay(checkout, **({"card": card} if card else {}))
        assert paid.status == "complete", paid
        self.process_everything()
        return self.get(f"/checkout/{checkout['id']}")

    def may(self, feature: str, user_id: str = "alice") -> str:
        """The reason code of the decision, with a ``no:`` in front when the answer is no."""
        decision = self.check(feature, user_id)
        reason = str(decision["reason"])
        return reason if decision["allowed"] else f"no: {reason}"

    def check(self, feature: str, user_id: str = "alice") -> Json:
        return self.get("/entitlements/check", user_id=user_id, feature=feature)

    def events(self) -> list[str]:
        """The types of the project's outbox events since the last call, oldest first."""
        types = outbox_events.types(self.project)
        new, self._event_count = types[self._event_count :], len(types)
        return new

    def payload(self, type_: str) -> Json:
        """The data of the last event of this type."""
        return dict(outbox_events.last(self.project, type_).data)

    def get(self, path: str, **query: Any) -> Json:
        return self._successful(self.api.get(path, query=query))

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Json:
        return self._successful(self.api.post(path, body, **kwargs))

    def patch(self, path: str, body: Any) -> Json:
        return self._successful(self.api.patch(path, body))

    def put(self, path: str, body: Any) -> Json:
        return self._successful(self.api.put(path, body))

    def delete(self, path: str, body: Any = None) -> Json:
        return self._successful(self.api.delete(path, body=body))

    def refused(self, response: Any) -> tuple[int, str]:
        """Status and code of a problem document."""
        return response.status_code, response.json()["code"]

    def declines(self, user_id: str = "alice") -> None:
        """The user's bank declines every payment from now on."""
        self.stripe.decline_payments(self._stripe_customer(user_id))

    def accepts(self, user_id: str = "alice") -> None:
        """The user's bank accepts payments again."""
        self.stripe.accept_payments(self._stripe_customer(user_id))

    def agrees_with_stripe(self) -> None:
        """``reconcile --dry-run`` finds no difference."""
        out = StringIO()
        try:
            call_command("reconcile", "--dry-run", stdout=out)
        except SystemExit as ended:
            raise AssertionError(out.getvalue()) from ended
        assert ", 0 difference(s)." in out.getvalue(), out.getvalue()

    def _define(self, code: str, kind: str) -> None:
        if self.api.get(f"/features/{code}").status_code == 404:
            self.post("/features", {"code": code, "name": code.title(), "kind": kind})

    def _stripe_customer(self, user_id: str) -> str:
        rows = StripeCustomer.objects.for_project(self.project)
        return str(rows.get(customer__user_id=user_id, deleted_at=None).stripe_id)

    def _successful(self, response: Any) -> Json:
        assert 200 <= response.status_code < 300, response.content
        return dict(response.json())
