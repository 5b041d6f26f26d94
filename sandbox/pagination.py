"""Stripe's lists: newest first, cursors by id, ``created`` ranges, ``has_more``."""

from __future__ import annotations

from sandbox.errors import invalid, no_such
from sandbox.objects import Object, Params
from sandbox.transaction import ObjectFilter, Transaction

MAX_LIMIT = 100


def list_page(
    tx: Transaction,
    kind: str,
    params: Params,
    *,
    url: str,
    where: ObjectFilter | None = None,
    oldest_first: bool = False,
) -> Object:
    """One page of the objects of ``kind`` that satisfy ``where``, without deleted ones."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(
            f"This value must be between 1 and {MAX_LIMIT}.",
            param="limit",
            code="parameter_invalid_integer",
        )
    ids = tx.list_ids(kind, lambda body: _is_listed(tx, body, params, where))
    if not oldest_first:
        ids.reverse()
    order = tx.list_ids(kind) if oldest_first else tx.list_ids(kind)[::-1]
    ids, has_more = _select_page(kind, ids, params, limit, order)
    data = [body for id in ids if (body := tx.get(kind, id)) is not None]
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def embed_list(data: list[Object], *, url: str, limit: int = 10) -> Object:
    """A list inside an object, such as ``subscription.items``."""
    return {"object": "list", "data": data[:limit], "has_more": len(data) > limit, "url": url}


def _is_listed(tx: Transaction, body: Object, params: Params, where: ObjectFilter | None) -> bool:
    if body.get("deleted"):
        return False
    created = body.get("created", 0)
    if tx.listed_until is not None and created > tx.listed_until:
        return False
    if "created" in params and not is_in_range(created, params["created"]):
        return False
    return where is None or where(body)


def is_in_range(value: int | None, range_or_time: int | Params) -> bool:
    """Whether the time equals the given one or lies within ``gt``, ``gte``, ``lt``, ``lte``."""
    if value is None:
        return False
    if isinstance(range_or_time, int):
        return value == range_or_time
    return bool(
        value > range_or_time.get("gt", value - 1)
        and value >= range_or_time.get("gte", value)
        and value < range_or_time.get("lt", value + 1)
        and value <= range_or_time.get("lte", value)
    )


def _select_page(
    kind: str, ids: list[str], params: Params, limit: int, order: list[str]
) -> tuple[list[str], bool]:
    """The ids of one page, and whether more follow. ``order`` has all ids, without filters."""
    if "starting_after" in params and "ending_before" in params:
        raise invalid(
            "You may only specify one of these parameters: starting_after, ending_before."
        )
    if "ending_before" in params:
        before, _ = _split_at_cursor(kind, ids, params, "ending_before", order)
        return before[-limit:], len(before) > limit
    rest = ids
    if "starting_after" in params:
        _, rest = _split_at_cursor(kind, ids, params, "starting_after", order)
    return rest[:limit], len(rest) > limit


def _split_at_cursor(
    kind: str, ids: list[str], params: Params, name: str, order: list[str]
) -> tuple[list[str], list[str]]:
    """The ids before and after the cursor, also when the filters exclude the cursor itself."""
    cursor = params[name]
    if cursor not in order:
        raise no_such(kind, cursor, param=name)
    earlier = set(order[: order.index(cursor)])
    before = [id for id in ids if id in earlier]
    after = [id for id in ids if id not in earlier and id != cursor]
    return before, after
