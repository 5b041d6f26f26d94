"""Stripe's lists: newest first, cursors by id, ``created`` ranges, ``has_more``."""

from __future__ import annotations

from sandbox.errors import invalid, no_such
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction, Where

MAX_LIMIT = 100


def page(
    tx: Transaction,
    kind: str,
    params: Params,
    *,
    url: str,
    where: Where | None = None,
    oldest_first: bool = False,
) -> Object:
    """One page of the live objects of ``kind`` that satisfy ``where``."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(
            f"This value must be between 1 and {MAX_LIMIT}.",
            param="limit",
            code="parameter_invalid_integer",
        )
    ids = tx.ids(kind, lambda body: _is_listed(tx, body, params, where))
    if not oldest_first:
        ids.reverse()
    order = tx.ids(kind) if oldest_first else tx.ids(kind)[::-1]
    ids, has_more = _cut(kind, ids, params, limit, order)
    data = [body for id in ids if (body := tx.get(kind, id)) is not None]
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def embed(data: list[Object], *, url: str, limit: int = 10) -> Object:
    """A list inside an object, such as ``subscription.items``."""
    return {"object": "list", "data": data[:limit], "has_more": len(data) > limit, "url": url}


def _is_listed(tx: Transaction, body: Object, params: Params, where: Where | None) -> bool:
    if body.get("deleted"):
        return False
    created = body.get("created", 0)
    if tx.hides_since is not None and created > tx.hides_since:
        return False
    if "created" in params and not in_range(created, params["created"]):
        return False
    return where is None or where(body)


def in_range(value: int | None, wanted: int | Params) -> bool:
    """Whether a time is the wanted one, or within ``gt``, ``gte``, ``lt``, ``lte``."""
    if value is None:
        return False
    if isinstance(wanted, int):
        return value == wanted
    return bool(
        value > wanted.get("gt", value - 1)
        and value >= wanted.get("gte", value)
        and value < wanted.get("lt", value + 1)
        and value <= wanted.get("lte", value)
    )


def _cut(
    kind: str, ids: list[str], params: Params, limit: int, order: list[str]
) -> tuple[list[str], bool]:
    """The ids of one page, and whether more follow. ``order`` holds the ids without filters."""
    if "starting_after" in params and "ending_before" in params:
        raise invalid(
            "You may only specify one of these parameters: starting_after, ending_before."
        )
    if "ending_before" in params:
        before, _ = _around(kind, ids, params, "ending_before", order)
        return before[-limit:], len(before) > limit
    rest = ids
    if "starting_after" in params:
        _, rest = _around(kind, ids, params, "starting_after", order)
    return rest[:limit], len(rest) > limit


def _around(
    kind: str, ids: list[str], params: Params, name: str, order: list[str]
) -> tuple[list[str], list[str]]:
    """What stands before and after the cursor, also when the filters leave its object out."""
    cursor = params[name]
    if cursor not in order:
        raise no_such(kind, cursor, param=name)
    earlier = set(order[: order.index(cursor)])
    before = [id for id in ids if id in earlier]
    after = [id for id in ids if id not in earlier and id != cursor]
    return before, after
