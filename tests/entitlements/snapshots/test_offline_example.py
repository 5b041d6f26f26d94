"""The example of ``docs/offline.md`` works against the service as printed."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client, TestCase
from django.utils import timezone

from entitlements.snapshots import signing_keys
from tests.factories.entitlements import draft_fact, state

pytestmark = pytest.mark.django_db

PAGE = Path(__file__).resolve().parents[3] / "docs" / "offline.md"


class Service:
    """What the example fetches from, and whether it answers."""

    def __init__(self, api):
        self.api, self.is_away, self.fetched, self.wrap = api, False, [], lambda text: text

    def __call__(self, path: str) -> str:
        self.fetched.append(path.partition("?")[0])
        if self.is_away:
            raise TimeoutError
        response = Client().get(path) if path.startswith("/.well") else self.api.get(path)
        if response.status_code >= 400:
            raise OSError(response.status_code)
        text: str = self.wrap(response.content.decode())
        return text


@pytest.fixture
def service(api) -> Service:
    return Service(api)


@pytest.fixture
def tenant(service, api, project) -> Any:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # the page's own text
    return names["Entitlements"](
        settings.PUBLIC_URL, api.key, project.pk, open={"export"}, fetch=service
    )


@pytest.fixture
def ada(customer, sso, seats):
    """sso for good, seats for an hour."""
    now = timezone.now()
    state(
        customer,
        draft_fact(sso, starts_at=now),
        draft_fact(seats, 5, starts_at=now, ends_at=now + timedelta(hours=1)),
        at=now,
    )
    return customer


def test_offline_answers_last_as_long_as_they_are_certain(service, tenant, ada):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        assert tenant.allowed("ada", "sso")
        assert not tenant.allowed("ada", "warp-drive")
        assert service.fetched == ["/api/v1/entitlements/ada/snapshot", "/.well-known/jwks.json"]
        service.is_away = True
        clock.shift(timedelta(minutes=59))
        assert tenant.allowed("ada", "sso")
        assert tenant.allowed("ada", "seats")
        assert not tenant.allowed("bob", "sso"), "nothing is known of him: closed"
        assert tenant.allowed("bob", "export"), "nothing is known of him: open"
        clock.shift(timedelta(minutes=1))
        assert not tenant.allowed("ada", "seats"), "no longer certain"
        assert tenant.allowed("ada", "export")
        service.is_away = False
        clock.shift(timedelta(minutes=1))
        assert tenant.allowed("ada", "sso")


def test_a_new_snapshot_replaces_the_old_one_and_never_the_other_way(service, tenant, ada, sso):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        old = service("/api/v1/entitlements/ada/snapshot")
        state(ada, source="sub_1", at=timezone.now())
        signing_keys.rotate(actor="command", at=timezone.now())
        assert not tenant.allowed("ada", "sso")
        service.wrap = lambda text: text if text.startswith("{") else old
        clock.shift(timedelta(minutes=2))
        assert not tenant.allowed("ada", "sso"), "an older version is not taken back"


def test_counted_features_are_checked_online(service, tenant, api, ada):
    api.post("/meters", {"code": "calls", "name": "Calls", "aggregation": "sum"})
    for code in ("calls", "export"):
        feature = {"code": code, "name": code, "kind": "metered", "period": "month"}
        api.post("/features", {**feature, "meter": "calls"})
        body = {"user_id": "ada", "feature": code, "value": 1, "reason": "Test."}
        api.post("/admin/grant", body)
    with time_machine.travel(timezone.now(), tick=False):
        assert tenant.allowed("ada", "calls")
        with TestCase.captureOnCommitCallbacks(execute=True):
            api.post("/usage", {"user_id": "ada", "meter": "calls", "value": 1})
        assert not tenant.allowed("ada", "calls"), "used up since the snapshot"
        service.is_away = True
        assert not tenant.allowed("ada", "calls"), "closed"
        assert tenant.allowed("ada", "export"), "open"


def test_forged_snapshots_are_refused(service, tenant, ada, other_api):
    service.api = other_api
    assert not tenant.allowed("ada", "sso"), "signed for another audience"
    assert tenant.held == {}
    service.wrap = lambda text: text if text.startswith("{") else "x" + text
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        assert not tenant.allowed("ada", "sso")
    assert tenant.held == {}
