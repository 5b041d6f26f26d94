"""Messages about credits, limits, endpoints and keys."""

from typing import Any

from common.times import parse_optional
from delivery.mail.content import Content, NotificationFacts, Overtaken, data_of
from entitlements.models import Feature
from projects.models import ApiKey


def low_credits(facts: NotificationFacts) -> Content:
    return Content({"balance": data_of(facts)["balance"]})


def reached_limit(facts: NotificationFacts) -> Content:
    data = data_of(facts)
    code = data["feature"]
    feature = Feature.objects.for_project(facts.project_id).filter(code=code).first()
    content: dict[str, Any] = {
        "feature": feature.name if feature else code,
        "limit": data["limit"] or 0,
    }
    resets_at = parse_optional(data["resets_at"])
    if resets_at is not None:
        if resets_at <= facts.at:
            raise Overtaken("limit_reset")
        content["resets_at"] = resets_at
    return Content(content)


def disabled_endpoint(facts: NotificationFacts) -> Content:
    data = data_of(facts)
    return Content({"url": data.get("url") or "", "reason": data.get("disabled_reason") or ""})


def expiring_key(facts: NotificationFacts) -> Content:
    key = ApiKey.objects.for_project(facts.project_id).filter(pk=facts.subject).first()
    if key is None or key.revoked_at is not None or key.rotated_to_id is not None:
        raise Overtaken("key_replaced")
    if key.expires_at is None or key.expires_at <= facts.at:
        raise Overtaken("key_expired")
    return Content({"label": key.name, "last_four": key.last_four, "expires_at": key.expires_at})
