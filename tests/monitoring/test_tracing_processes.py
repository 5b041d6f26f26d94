"""Only processes with a collector load what records spans; the web server sends them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projects.models import Project
from tests.factories.projects import key_of
from tests.monitoring.collector import collecting
from tests.monitoring.traced_payments import CALLER, PARENT, TRACE
from tests.server.web_server import request as send
from tests.server.web_server import web_server
from tests.services import ROOT
from tests.wsgi_calls import ASK

NOT_INSTALLED = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
"""


def loaded_modules(before: str = "", **variables: str) -> set[str]:
    """The modules of a process that has loaded the web server's application."""
    script = (
        f"import sys\n{before}\nimport config.rsgi\n"
        "print(*(each for each in sys.modules if 'opentelemetry' in each or 'tracing' in each))"
    )
    environment = {name: each for name, each in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_what_records_spans_is_loaded_only_where_they_are_exported() -> None:
    """redis-py loads OpenTelemetry's metrics wherever they are installed."""
    recording = {"config.tracing", "opentelemetry.exporter.otlp.proto.http.trace_exporter"}
    assert loaded_modules() & recording == set()
    assert loaded_modules(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318") >= recording


def test_the_web_server_needs_no_opentelemetry() -> None:
    assert loaded_modules(NOT_INSTALLED) == set()


@pytest.mark.django_db(transaction=True)
def test_the_web_server_sends_spans_also_of_checks_from_its_cache(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(project)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "billing-eu")
        with web_server(tmp_path / "web.log") as port:
            bearer: Any = {"Authorization": f"Bearer {key}"}
            for _ in range(12):
                assert send(port, "GET", ASK, **bearer).status == 200
            for _ in range(12):
                assert send(port, "GET", ASK, **bearer, traceparent=PARENT).status == 200
            refused = send(port, "GET", "/api/v1/features", traceparent=PARENT)
            assert refused.status == 401
            page = send(port, "GET", "/api/v1/features", **bearer, traceparent=PARENT)
            assert page.status == 200
    checks = collector.named("GET /api/v1/entitlements/check")
    assert len(checks) == 12
    assert {(each.trace_id, each.parent_id, each.kind) for each in checks} == {
        (TRACE, CALLER, "server")
    }
    statuses = [
        each.attributes["http.response.status_code"]
        for each in collector.named("GET /api/v1/features")
    ]
    assert sorted(statuses) == [200, 401]
    assert collector.services == {"billing-eu"}
