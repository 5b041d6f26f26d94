"""The control API under ``/_sandbox/``: JSON, or forms of the home page; responses are JSON.

It steers the sandbox in development and tests; Stripe has no such API.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.exceptions import BadRequest, Forbidden, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox import accounts, api, deliveries, engine, forced_declines, overview
from sandbox.errors import StripeFailure
from sandbox.resources import webhook_endpoints

if TYPE_CHECKING:
    from sandbox.world import World

Data = dict[str, Any]
Control = Callable[..., Any]
CONTROLS: list[Rule] = []


def control(method: str, path: str) -> Callable[[Control], Control]:
    def register(function: Control) -> Control:
        CONTROLS.append(Rule(f"/_sandbox{path}", methods=[method], endpoint=function))
        return function

    return register


class Controls:
    def __init__(self, world: World) -> None:
        self._world = world
        self._adapter = Map([rule.empty() for rule in CONTROLS]).bind("sandbox")

    def respond(self, request: Request) -> Response:
        _refuse_other_sites(request)
        function, ids = self._adapter.match(request.path, method=request.method)
        try:
            result = function(self._world, _read_data(request), **ids)
        except (ValueError, KeyError, TypeError) as error:
            message = error.args[0] if error.args else type(error).__name__
            raise BadRequest(response=_json_response({"error": str(message)}, 400)) from error
        except StripeFailure as failure:
            body = {"error": failure.message}
            raise BadRequest(response=_json_response(body, failure.status)) from failure
        if request.mimetype == "application/x-www-form-urlencoded":
            return redirect("/", 303)
        return _json_response(result if result is not None else {"ok": True}, 200)


@control("GET", "/state")
def get_state(world: World, data: Data) -> Any:
    return overview.summarise_world(world)


@control("GET", "/clock")
def get_clock(world: World, data: Data) -> Any:
    return {"now": world.clock.now(), "frozen": world.clock.frozen}


@control("POST", "/clock")
def set_clock(world: World, data: Data) -> Any:
    """``{"frozen": true}`` stops the clock; false lets it follow real time."""
    with world.lock:
        if parse_flag(data["frozen"]):
            world.clock.freeze()
        else:
            world.clock.run()
        world.save_clock()
    return get_clock(world, data)


@control("POST", "/clock/advance")
def advance_clock(world: World, data: Data) -> Any:
    """``{"seconds": 86400}`` or ``{"to": 1800000000}``: move the clock and run what falls due."""
    to = int(data["to"]) if data.get("to") else world.clock.now() + int(data["seconds"])
    if to < world.clock.now():
        raise ValueError(f"The clock stands at {world.clock.now()} and cannot go back to {to}.")
    engine.advance(world, to)
    return get_clock(world, data)


@control("GET", "/faults")
def list_faults(world: World, data: Data) -> Any:
    return world.faults.describe()


@control("POST", "/faults")
def add_fault(world: World, data: Data) -> Any:
    """``{"kind": "rate_limit", "method": "POST", "path": "/v1/customers", "times": 2}``.

    ``malformation`` sets the fields of ``Malformation`` for the two malformed kinds.
    """
    fault = world.faults.add(
        data["kind"],
        method=data.get("method") or "*",
        path=data.get("path") or "*",
        times=int(data.get("times") or 1),
        skip=int(data.get("skip") or 0),
        seconds=float(data["seconds"]) if data.get("seconds") else None,
        **(data.get("malformation") or {}),
    )
    return dataclasses.asdict(fault)


@control("DELETE", "/faults")
@control("POST", "/faults/clear")
def clear_faults(world: World, data: Data) -> None:
    world.faults.clear()


@control("GET", "/deliveries")
def list_deliveries(world: World, data: Data) -> Any:
    """Deliveries, newest first. Filters: ``?status=pending``, ``?limit=``."""
    rows = overview.list_deliveries(world, status=data.get("status"))
    return {"data": rows[: int(data.get("limit", 100))], "count": len(rows)}


@control("GET", "/delivery-mode")
def get_delivery_mode(world: World, data: Data) -> Any:
    return dataclasses.asdict(world.delivery_mode)


@control("POST", "/delivery-mode")
def set_delivery_mode(world: World, data: Data) -> Any:
    """Change ``shuffled``, ``seed``, ``duplicates``, ``drop`` or ``hold``; fields not sent keep
    their value."""
    changes = {name: MODE_READERS[name](value) for name, value in data.items()}
    world.set_delivery_mode(dataclasses.replace(world.delivery_mode, **changes))
    return get_delivery_mode(world, data)


@control("POST", "/events/<object_id>/redeliver")
def redeliver(world: World, data: Data, object_id: str) -> Any:
    with world.transaction(_find_account_of(world, "event", object_id)) as tx:
        return {"queued": deliveries.redeliver(tx, object_id)}


@control("POST", "/endpoints")
def register_endpoint(world: World, data: Data) -> Any:
    """``{"url": …, "secret": "whsec_…", "name": …}``: one endpoint per name (default: the URL).

    ``"thin": true`` makes it a destination for thin events.
    """
    with world.transaction(find_account(world, data)) as tx:
        return webhook_endpoints.register_endpoint(
            tx,
            url=data["url"],
            secret=data["secret"],
            name=data.get("name"),
            thin=parse_flag(data.get("thin", False)),
        )


@control("POST", "/endpoints/<object_id>/roll")
def roll_secret(world: World, data: Data, object_id: str) -> Any:
    """Create a new signing secret.

    The old one keeps signing for ``overlap`` seconds (default: 24 h).
    """
    overlap = int(data.get("overlap", webhook_endpoints.ROLL_OVERLAP_SECONDS))
    with world.transaction(_find_account_of(world, "webhook_endpoint", object_id)) as tx:
        return {"secret": webhook_endpoints.roll_secret(tx, object_id, overlap=overlap)}


@control("POST", "/accounts")
def open_account(world: World, data: Data) -> Any:
    """``{"id": "acct_…", "secret_key": "sk_test_…"}``: create an account, or another key of one.

    ``permissions`` makes it a restricted key: ``["customer_write", "invoice_read"]``.
    """
    id = data.get("id") or world.ids.new("acct")
    permissions = data.get("permissions")
    prefix = "sk_test_" if permissions is None else "rk_test_"
    secret_key = data.get("secret_key") or f"{prefix}{world.ids.token(24)}"
    accounts.open_account(world, account_id=id, secret_key=secret_key, permissions=permissions)
    return {"id": id, "secret_key": secret_key}


@control("POST", "/keys/revoke")
def revoke_key(world: World, data: Data) -> None:
    accounts.revoke_key(world, data["secret_key"])


@control("POST", "/customers/<object_id>/decline-payments")
def decline_payments(world: World, data: Data, object_id: str) -> None:
    """``{"times":

    1, "reason": "insufficient_funds"}``; without ``times``: all until accepted again.
    """
    with world.transaction(_find_account_of(world, "customer", object_id)) as tx:
        forced_declines.decline_payments(
            tx,
            object_id,
            reason=data.get("reason") or "generic_decline",
            times=int(data["times"]) if data.get("times") else None,
        )


@control("POST", "/customers/<object_id>/accept-payments")
def accept_payments(world: World, data: Data, object_id: str) -> None:
    with world.transaction(_find_account_of(world, "customer", object_id)) as tx:
        forced_declines.accept_payments(tx, object_id)


@control("POST", "/reset")
def reset(world: World, data: Data) -> None:
    world.reset()


def _find_account_of(world: World, kind: str, object_id: str) -> str:
    for account in accounts.list_account_ids(world):
        if world.store.get((account, kind, object_id)):
            return account
    raise NotFound(response=_json_response({"error": f"No such {kind}: '{object_id}'"}, 404))


def find_account(world: World, data: Data) -> str:
    account_ids = accounts.list_account_ids(world)
    account: str = data.get("account") or account_ids[0]
    if account not in account_ids:
        raise ValueError(f"There is no account {account!r}.")
    return account


def _read_data(request: Request) -> Data:
    if request.method == "GET":
        return request.args.to_dict()
    if request.is_json:
        data = request.get_json()
        if not isinstance(data, dict):
            raise ValueError("Send a JSON object.")
        return data
    return request.form.to_dict()


def parse_flag(value: Any) -> bool:
    if value in (True, "true", "on", "1"):
        return True
    if value in (False, "false", "", "0"):
        return False
    raise ValueError(f"{value!r} is neither true nor false.")


def _parse_share(value: Any) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no share between 0 and 1.")
    return share


MODE_READERS: dict[str, Callable[[Any], Any]] = {
    "shuffled": parse_flag,
    "seed": int,
    "duplicates": _parse_share,
    "drop": _parse_share,
    "hold": parse_flag,
}


def _refuse_other_sites(request: Request) -> None:
    """Refuse writes from other origins: a visited web page must not reset the sandbox."""
    origin = request.headers.get("Origin")
    if request.method != "GET" and origin and urlsplit(origin).netloc != request.host:
        raise Forbidden(
            response=_json_response({"error": "The controls answer their own pages only."}, 403)
        )


def _json_response(value: Any, status: int) -> Response:
    return Response(api.dump_json(value), status=status, content_type="application/json")
