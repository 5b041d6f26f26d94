"""``/metrics`` shows the lag of every way out, to whoever has the token."""

from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from delivery.models import WebhookEndpoint
from events.log import sequencer
from projects.models import Project
from tests.events.log.recording import record

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-prometheus"


def test_without_the_token_there_is_nothing(settings: Any) -> None:
    assert Client().get("/metrics").status_code == 404
    settings.METRICS_TOKEN = TOKEN
    for header in ("", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", "Bearer ü"):
        assert Client().get("/metrics", headers={"Authorization": header}).status_code == 404


def test_every_way_out_has_its_lag(settings: Any, project: Project) -> None:
    settings.METRICS_TOKEN = TOKEN
    WebhookEndpoint.objects.create(project=project, url="https://example.com/", position=0)
    record(project, "cus_1", 1)
    sequencer.run()
    record(project, "cus_1", 2)
    response = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    samples = {
        (sample.name, sample.labels.get("way", "")): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }
    assert samples["tollgate_way_out_waiting", "webhooks"] == 1
    assert ("tollgate_way_out_age_seconds", "webhooks") in samples
    assert samples["tollgate_way_out_waiting", "mail"] == 0
    assert samples["tollgate_log_age_seconds", ""] >= 0
