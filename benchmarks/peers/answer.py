"""The bytes with which the bare programs answer a check: as many as the product's."""

import orjson

ANSWER = orjson.dumps(
    {
        "feature": "sso",
        "allowed": True,
        "reason": "entitled",
        "value": True,
        "limit": None,
        "used": None,
        "remaining": None,
        "resets_at": None,
        "valid_until": None,
        "version": 1,
        "sources": [{"type": "subscription", "id": "sub_01j9zc3k5v8e4w2t7x6y5q4r3s"}],
    }
)
