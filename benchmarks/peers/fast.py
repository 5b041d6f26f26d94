"""A hand-written alternative: FastAPI with a customer's decisions as JSON in Redis.

``uvicorn benchmarks.peers.fast:app`` runs in its own environment (requirements-fastapi.txt).
"""

import hashlib
import os
import time
from typing import Annotated, Any

import orjson
import redis.asyncio
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

app = FastAPI(openapi_url=None)
cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], protocol=2, max_connections=64)
keys: dict[str, tuple[float, dict[str, Any]]] = {}


class CheckResponse(BaseModel):
    feature: str
    allowed: bool
    entitlement: dict[str, Any] | None


async def find_tenant(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """The tenant of the API key, cached for 30 s."""
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    held = keys.get(digest)
    if held and held[0] > time.monotonic():
        return held[1]
    raw = await cache.get(f"key:{digest}")
    if raw is None:
        raise HTTPException(401)
    tenant: dict[str, Any] = orjson.loads(raw)
    keys[digest] = (time.monotonic() + 30.0, tenant)
    return tenant


@app.get("/api/v1/entitlements/check")
async def check(
    user_id: str, feature: str, key: Annotated[dict[str, Any], Depends(find_tenant)]
) -> CheckResponse:
    blob = await cache.get(f"ent:{key['tenant']}:{user_id}")
    if blob is None:
        raise HTTPException(404)
    item = orjson.loads(blob)["features"].get(feature)
    return CheckResponse(feature=feature, allowed=bool(item) and item["enabled"], entitlement=item)
