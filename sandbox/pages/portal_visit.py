"""One request to the portal: customer, configuration and target after an action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from sandbox import buyer, test_clocks
from sandbox.objects import Object
from sandbox.pages.rendering import render_page
from sandbox.portal import visits
from sandbox.resources import portal_configurations
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World

PAGES_BY_FLOW = {
    "payment_method_update": ("card",),
    "subscription_cancel": ("cancel",),
    "subscription_update": ("plans", "confirm"),
    "subscription_update_confirm": ("confirm",),
}


@dataclass(frozen=True)
class PortalVisit:
    tx: Transaction
    record: Object
    session: Object
    configuration: Object
    customer: Object

    @property
    def home(self) -> str:
        return f"/pages/portal/{self.record['id']}"

    @property
    def flow(self) -> Object | None:
        """The session's flow until it is done; then None."""
        flow: Object | None = self.session["flow"]
        return None if self.record["flow_done"] else flow

    def feature(self, name: str) -> Object:
        """Settings of the feature. Raises ``NotFound`` if it is disabled."""
        feature: Object = self.configuration["features"][name]
        if not feature["enabled"]:
            raise NotFound
        return feature

    def subscription(self, object_id: str) -> Object:
        """The customer's subscription. Raises ``NotFound`` for another customer's."""
        subscription = self.tx.get("subscription", object_id)
        if subscription is None or subscription["customer"] != self.customer["id"]:
            raise NotFound
        return subscription

    def check_flow(self, page: str, subscription: str | None = None) -> None:
        """Raise ``NotFound`` for pages outside the flow."""
        flow = self.session["flow"]
        if flow is None or self._is_at_large():
            return
        target = flow.get(flow["type"]) or {}
        if page not in PAGES_BY_FLOW[flow["type"]] or target.get("subscription") != subscription:
            raise NotFound

    def finish(self, done: str) -> Response:
        """Redirect to the flow's target, or to the overview with a notice."""
        flow = self.flow
        self.record["flow_done"] = True
        if flow and flow["after_completion"]["type"] == "redirect":
            return redirect(flow["after_completion"]["redirect"]["return_url"], 303)
        return redirect(f"{self.home}?done={done}", 303)

    def closed(self) -> Response | None:
        """The closing page of a finished flow that does not return to the overview."""
        if self.session["flow"] is None or self._is_at_large() or self.flow:
            return None
        after = self.session["flow"]["after_completion"]
        text = (after["hosted_confirmation"] or {}).get("custom_message")
        return render_page(
            "message.html",
            title="Your changes are saved",
            text=text or "You can close this page.",
            link=self.session["return_url"],
            link_text=f"Return to {self.merchant}",
        )

    @property
    def merchant(self) -> str:
        account = self.tx.param_object("account", self.tx.account, param="account")
        return str(account["settings"]["dashboard"]["display_name"])

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        profile = self.configuration["business_profile"]
        return render_page(
            template,
            status=status,
            home=self.home,
            merchant=self.merchant,
            headline=profile["headline"],
            profile=profile,
            return_url=self.session["return_url"],
            in_flow=self.flow is not None,
            **values,
        )

    def _is_at_large(self) -> bool:
        """Whether the flow is done and the whole portal is available."""
        after = self.session["flow"]["after_completion"]["type"]
        return bool(self.record["flow_done"] and after == "portal_homepage")


@contextmanager
def open_visit(world: World, secret: str) -> Iterator[PortalVisit]:
    """Open the visit of a link. Raises 404 for an unknown link and 410 for an expired one."""
    with world.transaction(buyer.find_account_of(world, visits.VISIT, secret)) as tx:
        record, session = visits.extend_visit(tx, secret)
        kind = portal_configurations.KIND
        configuration = tx.param_object(kind, session["configuration"], param="configuration")
        customer = tx.param_object("customer", session["customer"], param="customer")
        test_clocks.use_clock_time(tx, [customer["id"]])
        yield PortalVisit(tx, record, session, configuration, customer)
