"""The demo's chapter about metered usage, credits and explanations."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from devtools.demo.narrator import Narrator, expect
from devtools.demo.people import DemoBuyer, Tenant

GOOD_CARD = "4242424242424242"


def play(tenant: Tenant, buyer: DemoBuyer, narrator: Narrator, *, shop: str) -> None:
    """Play the chapter. Raises DemoFailed at the first unexpected result."""
    with narrator.step("ten calls a month for everybody, a thousand with the plan") as notes:
        price = _sell_calls(tenant)
        tenant.put("/free-tier", {"features": [{"feature": "calls", "value": 10}]})
        decision = tenant.may("eve", "calls")
        expect("for strangers", (decision["reason"], decision["remaining"]), ("free_tier", 10))
        notes.append("eve, whom nobody knows yet: 10 left (free_tier)")
    with narrator.step("POST /entitlements/consume checks and counts in one step") as notes:
        consumed = [_consume(tenant, "calls", amount) for amount in (8, 3, 2)]
        expect("consumed", consumed, [8, 0, 2])
        notes.append("8 of 10: yes; 3 more: no; 2 more: yes")
        denial = tenant.get("/entitlements/check?user_id=eve&feature=calls&explain=1")
        expect("the reason", denial["reason"], "limit_reached")
        notes.append(denial["explanation"]["sentence"])
    with narrator.step("eve subscribes, and goes on at once") as notes:
        order = {"user_id": "eve", "price": price, "success_url": f"{shop}/thanks"}
        buyer.pay(tenant.post("/checkout", order)["url"], card=GOOD_CARD)
        tenant.wait_until_may("eve", "calls", allowed=True)
        records = [
            {"user_id": "eve", "meter": "calls", "value": 1, "key": f"{price}-{n}"}
            for n in range(40)
        ]
        batch = {"records": [*records, *records[:10]]}
        result = tenant.post("/usage", batch, status=200)
        expect("a batch", (result["recorded"], result["duplicates"]), (40, 10))
        decision = tenant.may("eve", "calls")
        expect("left", (decision["used"], decision["remaining"]), (50, 950))
        notes.append(f"50 of 1000 used, resets at {decision['resets_at']}")
    with narrator.step("credits: a hundred as a present, three for each image") as notes:
        tenant.post("/credits/eve/grant", {"amount": 100, "reason": "Welcome"})
        expect("images", _consume(tenant, "images", 30), 30)
        balance = tenant.get("/credits/eve")["balance"]
        expect("the balance", balance, 10)
        expect("four more", _consume(tenant, "images", 4), 0)
        notes.append(f"30 images for 90 credits; {balance} left, too few for 4 more")
    with narrator.step("a signed snapshot answers while Tollgate is away") as notes:
        token = tenant.text("/entitlements/eve/snapshot")
        claims = _claims(token)
        expect("about", claims["sub"], "eve")
        notes.append(f"{len(token)} bytes, {len(claims['entitlements'])} decisions")


def _sell_calls(tenant: Tenant) -> str:
    """Create metered calls and images for credits; return the id of the plan's price."""
    tenant.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    monthly = {"kind": "metered", "meter": "calls", "period": "month", "anchored": True}
    tenant.post("/features", {"code": "calls", "name": "Calls", **monthly})
    tenant.post("/features", {"code": "images", "name": "Images", "kind": "credits"})
    features = [{"feature": "calls", "value": 1000}, {"feature": "images", "value": 3}]
    plan = tenant.post("/products", {"name": "Calls", "features": features})
    price_data = {"unit_amount": {"amount": 900, "currency": "usd"}, "interval": "month"}
    price: str = tenant.post("/prices", {"product": plan["id"], **price_data})["id"]
    return price


def _consume(tenant: Tenant, feature: str, amount: int) -> int:
    request = {"user_id": "eve", "feature": feature, "amount": amount}
    consumed: int = tenant.post("/entitlements/consume", request, status=200)["consumed"]
    return consumed


def _claims(token: str) -> dict[str, Any]:
    """The claims of the token. A tenant's software verifies it first, as docs/offline.md shows."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
