"""Calls of the admin grant API."""

from datetime import timedelta

from django.utils import timezone

from events.models import OutboxEvent

WHY = {"reason": "Beta tester."}


def time_from_now(**delta):
    return (timezone.now() + timedelta(**delta)).isoformat()


def grant(api, **body):
    return api.post("/admin/grant", {"user_id": "ada", **WHY, **body})


def revoke(api, **body):
    return api.post("/admin/revoke", {**WHY, **body})


def check(api, feature="sso", user_id="ada"):
    return api.get("/entitlements/check", query={"user_id": user_id, "feature": feature}).json()


def event_types(project):
    return [event.type for event in OutboxEvent.objects.for_project(project).order_by("pk")]
