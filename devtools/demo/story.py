"""The chapters of the demo: from an empty database to a paid, entitled customer, and back."""

import json
import time
from dataclasses import dataclass
from typing import Any

from devtools.demo import agreement, allowances, news
from devtools.demo.narrator import Narrator, expect
from devtools.demo.people import DemoBuyer, Operator, Stripe, Tenant
from devtools.demo.receiver import Receiver, receiving
from devtools.demo.web import Api, HtmlPage
from devtools.stack import Stack

GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"
SHOP = "http://localhost:3000"


@dataclass(slots=True)
class Goods:
    """Ids of what the tenant sells."""

    project: str
    plan: str
    plan_price: str
    report: str
    report_price: str


class Story:
    def __init__(self, stack: Stack, narrator: Narrator) -> None:
        self.stack = stack
        self.tell = narrator
        self.stripe = Stripe(stack.sandbox_url, stack.web_url)
        self.buyer = DemoBuyer(stack.sandbox_url)
        self.operator = Operator(stack.web_url)
        moment = int(time.time())
        self.name = f"Robots {moment}"
        self.operator_name = f"operator-{moment}"

    def play(self) -> None:
        """Play all chapters. Raises DemoFailed at the first unexpected result."""
        with receiving() as receiver:
            self._play(receiver)

    def _play(self, receiver: Receiver) -> None:
        with self.tell.chapter("A project registers and says what it sells"):
            tenant, goods = self._open_shop()
            news.listen(tenant, receiver, self.tell)
        with self.tell.chapter("A customer subscribes"):
            self._subscribe(tenant, goods)
        with self.tell.chapter("A customer buys an item, and gets the money back"):
            self._buy_and_refund(tenant, goods)
        with self.tell.chapter("A cart, a change of plan, an amount, the portal"):
            self._pay_in_other_ways(tenant, goods)
        with self.tell.chapter("How much, and why"):
            allowances.play(tenant, self.buyer, self.tell, shop=SHOP)
        with self.tell.chapter("An operator gives and takes by hand, in the console"):
            self._grant_and_revoke(tenant, goods)
        with self.tell.chapter("Bad input and bad days"):
            self._bad_days(tenant, goods)
        with self.tell.chapter("The customer leaves"):
            self._leave(tenant, goods)
        with self.tell.chapter("What the tenant and its customers have heard"):
            self._hear(tenant, goods, receiver)
        with self.tell.chapter("Stripe and we agree"):
            agreement.reconcile(self.stack, self.tell)

    def _open_shop(self) -> tuple[Tenant, Goods]:
        with self.tell.step("an operator makes a platform key, on the command line") as notes:
            output = self.stack.manage("create_platform_key", "--name", "demo")
            platform_key = next(word for word in output.split() if word.startswith("tg_platform_"))
            notes.append(f"{platform_key[:16]}… (shown once)")
        with self.tell.step("POST /projects registers the tenant in one call") as notes:
            platform = Tenant(Api(self.stack.web_url, platform_key))
            project = platform.post("/projects", {"name": self.name, "return_origins": [SHOP]})
            notes.append(f"{project['id']}, detected: {json.dumps(project['detected'])}")
        tenant = Tenant(Api(self.stack.web_url, project["key"]["secret"]))
        with self.tell.step("features, products and prices, known to Stripe") as notes:
            tenant.post("/features", {"code": "sso", "name": "Single sign-on"})
            tenant.post("/features", {"code": "robots", "name": "Robots", "kind": "limit"})
            tenant.post("/features", {"code": "report", "name": "Yearly report"})
            plan = tenant.post(
                "/products",
                {
                    "name": "Robot Pro",
                    "features": [
                        {"feature": "sso", "value": True},
                        {"feature": "robots", "value": 25},
                    ],
                },
            )
            report = tenant.post(
                "/products",
                {"name": "Yearly report", "features": [{"feature": "report", "value": True}]},
            )
            monthly = {"unit_amount": {"amount": 2900, "currency": "usd"}, "interval": "month"}
            once = {"unit_amount": {"amount": 4900, "currency": "usd"}}
            plan_price = tenant.post("/prices", {"product": plan["id"], **monthly})
            report_price = tenant.post("/prices", {"product": report["id"], **once})
            notes.append(f"{plan['id']} = {plan['stripe_id']}, {plan_price['stripe_id']}")
        goods = Goods(project["id"], plan["id"], plan_price["id"], report["id"], report_price["id"])
        return tenant, goods

    def _subscribe(self, tenant: Tenant, goods: Goods) -> None:
        with self.tell.step("nobody may do anything yet") as notes:
            notes.append(_describe(tenant.may("ada", "sso"), allowed=False, reason="not_entitled"))
        with self.tell.step("POST /checkout/subscription opens a hosted page") as notes:
            checkout = tenant.post("/checkout/subscription", _order("ada", goods.plan_price))
            notes.append(f"{checkout['id']}: {checkout['url']}")
        with self.tell.step("the buyer's first card is declined, and the page stays open") as notes:
            page = self.buyer.pay(checkout["url"], card=DECLINED_CARD)
            expect("still on the page", _is_shop(page), False)
            expect("may", tenant.may("ada", "sso")["allowed"], False)
            notes.append("Your card was declined.")
        with self.tell.step("the second card pays, and the buyer is sent back") as notes:
            page = self.buyer.pay(checkout["url"], card=GOOD_CARD)
            expect("back in the shop", _is_shop(page), True)
            notes.append(page.url)
        with self.tell.step("Stripe's signed webhooks bring the entitlement") as notes:
            decision = tenant.wait_until_may("ada", "sso", allowed=True)
            notes.append(_describe(decision, allowed=True, reason="entitled"))
            robots = tenant.may("ada", "robots")
            expect("the limit of robots", robots["limit"], 25)
            notes.append(f"robots: limit {robots['limit']}")
        with self.tell.step("a second subscription to the same product is refused") as notes:
            refusal = tenant.post(
                "/checkout/subscription", _order("ada", goods.plan_price), status=409
            )
            expect("the code", refusal["code"], "already-subscribed")
            notes.append(f"409 {refusal['code']}: {refusal['detail']}")

    def _buy_and_refund(self, tenant: Tenant, goods: Goods) -> None:
        with self.tell.step("POST /checkout detects a one-time purchase from the price") as notes:
            checkout = tenant.post("/checkout", _order("ada", goods.report_price))
            expect("the type", checkout["type"], "item")
            notes.append(f"{checkout['id']} is an {checkout['type']}")
        with self.tell.step("paid; on return, sync answers before any webhook has to") as notes:
            page = self.buyer.pay(checkout["url"], card=GOOD_CARD)
            expect("back in the shop", _is_shop(page), True)
            synced = tenant.post(f"/checkout/{checkout['id']}/sync", status=200)
            may = {each["feature"]: each["allowed"] for each in synced["entitlements"]}
            expect("what ada may", may, {"report": True, "robots": True, "sso": True})
            notes.append(f"{synced['status']}, {synced['payment_status']}: {json.dumps(may)}")
        with self.tell.step("half of it refunded: access stays") as notes:
            path = f"/payments/{synced['payment']}/refunds"
            refund = tenant.post(path, {"amount": 2450})
            notes.append(f"{refund['id']}: {refund['amount']['amount']} {refund['status']}")
            expect("may", tenant.may("ada", "report")["allowed"], True)
        with self.tell.step("the rest refunded: access goes") as notes:
            tenant.post(path, {})
            decision = tenant.wait_until_may("ada", "report", allowed=False)
            notes.append(_describe(decision, allowed=False, reason="not_entitled"))
            more = tenant.post(path, {"amount": 1}, status=409)
            notes.append(f"one cent more: 409 {more['code']}")

    def _pay_in_other_ways(self, tenant: Tenant, goods: Goods) -> None:
        with self.tell.step("a cart mixes the plan and two reports, on one page") as notes:
            lines = [{"price": goods.plan_price}, {"price": goods.report_price, "quantity": 2}]
            cart = tenant.post("/carts", {"user_id": "dora", "lines": lines})
            thanks = f"{SHOP}/thanks"
            checkout = tenant.post("/checkout/cart", {"cart": cart["id"], "success_url": thanks})
            self.buyer.pay(checkout["url"], card=GOOD_CARD)
            tenant.wait_until_may("dora", "report", allowed=True)
            tenant.wait_until_may("dora", "sso", allowed=True)
            bought = tenant.get(f"/carts/{cart['id']}")
            expect(
                "the cart", (bought["status"], bought["subtotal"]["amount"]), ("completed", 12700)
            )
            notes.append(f"{bought['id']} {bought['status']}: {bought['subtotal']['amount']} usd")
        with self.tell.step("two more seats: previewed, made, and billed as previewed") as notes:
            path = f"/subscriptions/dora/{goods.plan}"
            preview = tenant.post(f"{path}/preview", {"quantity": 3}, status=200)["bill"]
            change = {"quantity": 3, "proration_date": preview["proration_date"]}
            bill = tenant.patch(path, change)["bill"]
            expect("due", bill["amount_due"], preview["amount_due"])
            notes.append(f"{bill['amount_due']['amount']} usd due now, both times")
        with self.tell.step(
            "POST /payments takes an amount; asked twice, it is one payment"
        ) as notes:
            amount = {"amount": 1500, "currency": "usd"}
            request = {"user_id": "dora", "amount": amount, "reference": f"run-{cart['id']}"}
            first = tenant.post("/payments", request)
            repeated = tenant.post("/payments", request, status=200)
            expect("the payment", repeated["id"], first["id"])
            notes.append(
                f"{first['id']} {first['status']}, client_secret …{first['client_secret'][-4:]}"
            )
        with self.tell.step("POST /portal: the customer's own page at Stripe") as notes:
            link = tenant.post("/portal", {"user_id": "dora", "return_url": f"{SHOP}/account"})
            page = self.buyer.open(link["url"])
            expect("the portal shows the plan", "Robot Pro" in page.html, True)
            notes.append(link["url"])

    def _grant_and_revoke(self, tenant: Tenant, goods: Goods) -> None:
        with self.tell.step("the operator signs in") as notes:
            self.stack.manage("create_operator", self.operator_name)
            page = self.operator.sign_in(
                self.operator_name, self.stack.environment["OPERATOR_PASSWORD"]
            )
            expect("the console's first page", page.status, 200)
            notes.append(page.url)
        customer = tenant.get("/customers/ada")["id"]
        with self.tell.step("grants the report for a reason, seeing first what changes") as notes:
            path = f"/admin/projects/customer/{customer}"
            self.operator.decide(
                f"{path}/grant/", what="feature:report", value="", reason="Makes up for an outage"
            )
            decision = tenant.wait_until_may("ada", "report", allowed=True)
            notes.append(_describe(decision, allowed=True, reason="granted"))
        with self.tell.step("the customer's page shows it and why") as notes:
            page = self.operator.open(f"{path}/change/")
            expect("the reason is shown", "Makes up for an outage" in page.html, True)
            notes.append(f"{path}/change/")
        with self.tell.step("the tenant's own back end revokes it over the API") as notes:
            [grant] = tenant.get("/admin/grants?user_id=ada")["data"]
            tenant.post(
                "/admin/revoke", {"grant_id": grant["id"], "reason": "Made up for"}, status=200
            )
            decision = tenant.may("ada", "report")
            notes.append(_describe(decision, allowed=False, reason="not_entitled"))

    def _bad_days(self, tenant: Tenant, goods: Goods) -> None:
        with self.tell.step("a forged event is refused and leaves nothing") as notes:
            expect("the status", self.stripe.forge(), 400)
            notes.append("400 signature refused")
        with self.tell.step("a wrong key and another project's id tell nothing") as notes:
            stranger = Tenant(Api(self.stack.web_url, "tg_test_" + "x" * 43))
            refusal = stranger.get("/products", status=401)
            not_found = tenant.get("/checkout/chk_00000000000000000000000000", status=404)
            notes.append(f"401 {refusal['code']}, 404 {not_found['code']}")
        with self.tell.step("Stripe is down: 503, come back; everything else answers") as notes:
            self.stripe.break_down(times=100)
            order = _order("bob", goods.plan_price)
            refusal = tenant.post("/checkout/subscription", order, status=503, Idempotency_Key="b1")
            expect("the check still answers", tenant.may("ada", "sso")["allowed"], True)
            notes.append(f"503 {refusal['code']}")
            self.stripe.recover()
        with self.tell.step("Stripe is back; every event comes twice and shuffled") as notes:
            self.stripe.deliver_twice_and_shuffled(on=True)
            checkout = tenant.post("/checkout/subscription", _order("carl", goods.plan_price))
            self.buyer.pay(checkout["url"], card=GOOD_CARD)
            decision = tenant.wait_until_may("carl", "sso", allowed=True)
            notes.append(_describe(decision, allowed=True, reason="entitled"))
            self.stripe.deliver_twice_and_shuffled(on=False)

    def _leave(self, tenant: Tenant, goods: Goods) -> None:
        path = f"/subscriptions/ada/{goods.plan}"
        with self.tell.step("canceled at the end of the period: access stays until then") as notes:
            subscription = tenant.delete(path, {"when": "period_end"})
            decision = tenant.may("ada", "sso")
            expect("may", decision["allowed"], True)
            expect("until", decision["valid_until"], subscription["cancel_at"])
            notes.append(f"valid until {decision['valid_until']}")
        with self.tell.step("canceled now, by the other customer: access goes at once") as notes:
            tenant.delete(f"/subscriptions/carl/{goods.plan}", {"when": "now"})
            notes.append(_describe(tenant.may("carl", "sso"), allowed=False, reason="not_entitled"))
        with self.tell.step("32 days pass at Stripe: the period ends, and so does access") as notes:
            self.stripe.advance(days=32)
            decision = tenant.wait_until_may("ada", "sso", allowed=False)
            notes.append(_describe(decision, allowed=False, reason="not_entitled"))
            expect("the status", tenant.get(path)["status"], "canceled")

    def _hear(self, tenant: Tenant, goods: Goods, receiver: Receiver) -> None:
        if (folder := self.stack.mail_folder) is not None:
            order = _order("mia", goods.plan_price)
            news.write_to_customer(tenant, self.buyer, self.tell, order=order, folder=folder)
        news.compare(tenant, receiver, self.tell)


def _order(user_id: str, price: str) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "price": price,
        "success_url": f"{SHOP}/thanks?checkout={{CHECKOUT_ID}}",
        "cancel_url": f"{SHOP}/pricing",
    }


def _is_shop(page: HtmlPage) -> bool:
    return page.url.startswith(SHOP)


def _describe(decision: dict[str, Any], *, allowed: bool, reason: str) -> str:
    """The decision in one line. Raises DemoFailed for another decision."""
    expect(decision["feature"], (decision["allowed"], decision["reason"]), (allowed, reason))
    answer = "yes" if allowed else "no"
    return f"{decision['feature']}: {answer}, {reason} (version {decision['version']})"
