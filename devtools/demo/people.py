"""The participants of the demo, and what each of them does over HTTP."""

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

from devtools.demo.narrator import DemoFailed, expect, until
from devtools.demo.web import Api, Browser, HtmlPage, Reply, send

MAX_DELAY_SECONDS = 5.0
"""Seconds within which a change at Stripe must have reached an answer."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project's back end with its API key."""

    api: Api

    def post(self, path: str, data: Any = None, *, status: int = 201, **headers: str) -> Any:
        return self._answer(self.api.call("POST", f"/api/v1{path}", data, **headers), path, status)

    def get(self, path: str, *, status: int = 200) -> Any:
        return self._answer(self.api.call("GET", f"/api/v1{path}"), path, status)

    def patch(self, path: str, data: Any) -> Any:
        return self._answer(self.api.call("PATCH", f"/api/v1{path}", data), path, 200)

    def put(self, path: str, data: Any) -> Any:
        return self._answer(self.api.call("PUT", f"/api/v1{path}", data), path, 200)

    def text(self, path: str) -> str:
        """An answer that is not JSON."""
        reply = self.api.call("GET", f"/api/v1{path}")
        expect(path, reply.status, 200)
        return reply.text

    def delete(self, path: str, data: Any = None) -> Any:
        return self._answer(self.api.call("DELETE", f"/api/v1{path}", data), path, 200)

    def may(self, user_id: str, feature: str) -> dict[str, Any]:
        decision: dict[str, Any] = self.get(
            f"/entitlements/check?user_id={user_id}&feature={feature}"
        )
        return decision

    def wait_until_may(self, user_id: str, feature: str, *, allowed: bool) -> dict[str, Any]:
        """Wait for this decision and return it."""

        def find() -> dict[str, Any] | None:
            decision = self.may(user_id, feature)
            return decision if decision["allowed"] == allowed else None

        return until(
            f"{user_id} {'may' if allowed else 'may not'} {feature}",
            find,
            seconds=MAX_DELAY_SECONDS,
        )

    def _answer(self, reply: Reply, path: str, status: int) -> Any:
        if reply.status != status:
            raise DemoFailed(f"{path}: expected {status}, saw {reply.status} {reply.text[:400]}")
        return reply.json() if reply.text else None


class DemoBuyer:
    """A person with a card on the hosted checkout page."""

    def __init__(self, sandbox_url: str) -> None:
        self._browser = Browser(sandbox_url)

    def open(self, url: str) -> HtmlPage:
        """Open a page without an action on it."""
        page = self._browser.open(url)
        expect("the page's status", page.status, 200)
        return page

    def pay(self, url: str, *, card: str) -> HtmlPage:
        """Fill in the page and submit it; return the page that follows."""
        page = self._browser.open(url)
        expect("the checkout page's status", page.status, 200)
        form = page.form(having="number")
        return self._browser.submit(
            page,
            form,
            email="buyer@example.com",
            number=card,
            expiry="12/34",
            cvc="123",
            name="Ada Example",
        )


class Operator:
    """A person who is signed in to the console."""

    def __init__(self, web_url: str) -> None:
        self._url = web_url
        self._browser = Browser(web_url)

    def sign_in(self, username: str, password: str) -> HtmlPage:
        page = self._browser.open(f"{self._url}/admin/login/")
        form = page.form(having="password")
        return self._browser.submit(page, form, username=username, password=password)

    def open(self, path: str) -> HtmlPage:
        page = self._browser.open(self._url + path)
        expect(f"the status of {path}", page.status, 200)
        return page

    def decide(self, path: str, **fields: str) -> HtmlPage:
        """Fill in a dialog, check the preview, and confirm it; return the preview."""
        page = self.open(path)
        preview = self._browser.submit(page, page.form(having="reason"), **fields)
        expect("the preview's status", preview.status, 200)
        confirmed = self._browser.submit(preview, preview.form(having="reason"), **fields)
        expect("the decision's status", confirmed.status, 204)
        return preview


@dataclass(frozen=True, slots=True)
class Stripe:
    """The sandbox's controls, and a sender of forged events."""

    url: str
    web_url: str

    def advance(self, *, days: int) -> None:
        reply = Api(self.url).call("POST", "/_sandbox/clock/advance", {"seconds": days * 86_400})
        expect("advancing the sandbox's clock", reply.status, 200)

    def deliver_twice_and_shuffled(self, *, on: bool) -> None:
        mode = {"shuffled": on, "duplicates": 1.0 if on else 0.0}
        expect(
            "the delivery mode",
            Api(self.url).call("POST", "/_sandbox/delivery-mode", mode).status,
            200,
        )

    def break_down(self, *, times: int) -> None:
        fault = {"kind": "error_before", "method": "POST", "path": "/v1/checkout/*", "times": times}
        expect("the fault", Api(self.url).call("POST", "/_sandbox/faults", fault).status, 200)

    def recover(self) -> None:
        expect("recovery", Api(self.url).call("POST", "/_sandbox/faults/clear", {}).status, 200)

    def forge(self) -> int:
        """Send an event signed with a wrong secret; return the status of the answer."""
        body = b'{"id":"evt_forged","object":"event","type":"invoice.paid"}'
        now = int(time.time())
        signature = hmac.new(b"whsec_forged", b"%d.%b" % (now, body), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "Stripe-Signature": f"t={now},v1={signature}",
        }
        return send("POST", f"{self.web_url}/webhooks/stripe", headers=headers, body=body).status
