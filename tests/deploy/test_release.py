"""A release migrates before it replaces anything, and uses one image everywhere.

``kubectl`` is a program of the test here, which writes down what it was called with.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy.kustomize import Resource, all_containers, pod_of, render
from tests.deploy.manifests import FOLDER
from tests.services import ROOT

IMAGE = "registry.example.com/tollgate@sha256:" + "0" * 64
COMPONENT = "app.kubernetes.io/component"
KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    kustomize*) cat "$RENDERED" ;;
    apply*) cp "$3" "$APPLIED" ;;
    *"get job"*) echo "$MIGRATION" ;;
    *"get deployments"*) echo deployment.apps/web; echo deployment.apps/beat ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Release:
    returncode: int
    calls: list[str]
    applied: list[Resource]


def release(
    folder: Path, overlay: str, *, migration: str = "SuccessCriteriaMet Complete", **settings: str
) -> Release:
    """Run the script; ``migration`` are the conditions of the job."""
    program = folder / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    resources = render(FOLDER / "overlays" / overlay)
    for resource in resources:
        if resource["metadata"]["name"] == "tollgate-settings":
            resource["data"] |= settings
    (folder / "rendered").write_text(yaml.safe_dump_all(resources))
    run = subprocess.run(
        ["sh", str(ROOT / "deploy" / "release.sh"), overlay, IMAGE],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "RENDERED": str(folder / "rendered"),
            "APPLIED": str(folder / "applied"),
            "MIGRATION": migration,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    applied = [*yaml.safe_load_all((folder / "applied").read_text())]
    return Release(run.returncode, (folder / "calls").read_text().splitlines(), applied)


def selected(resources: list[Resource], selector: str) -> set[str]:
    """Names that the label selector takes; the three forms that the script uses."""
    names = set()
    for resource in resources:
        component = resource["metadata"]["labels"].get(COMPONENT)
        fits = {
            f"!{COMPONENT}": component is None,
            f"{COMPONENT}=migrate": component == "migrate",
            f"{COMPONENT},{COMPONENT}!=migrate": component not in (None, "migrate"),
        }
        if fits[selector]:
            names.add(f"{resource['kind']}/{resource['metadata']['name']}")
    return names


@pytest.mark.parametrize(
    ("overlay", "namespace"), [("staging", "tollgate-staging"), ("production", "tollgate")]
)
def test_a_release_migrates_and_then_replaces_everything(
    overlay: str, namespace: str, tmp_path: Path
) -> None:
    done = release(tmp_path, overlay)
    assert done.returncode == 0
    verbs = [call.replace(f"-n {namespace} ", "").split()[0] for call in done.calls]
    assert verbs == ["kustomize", "apply", "delete", "apply", "get", "apply", "get",
                     "rollout", "rollout"]  # fmt: skip
    assert {each["image"] for each in all_containers(done.applied) if each["name"] != "proxy"} == {
        IMAGE
    }
    selectors = [call.split()[-1] for call in done.calls if call.startswith("apply")]
    first, job, rest = (selected(done.applied, selector) for selector in selectors)
    assert {"Namespace/" + namespace, "ConfigMap/tollgate-settings",
            "ServiceAccount/tollgate", "NetworkPolicy/databases"} <= first  # fmt: skip
    assert job == {"Job/migrate"}
    assert {"Deployment/web", "Service/web", "Ingress/tollgate", "ConfigMap/proxy"} <= rest
    assert len(first) + len(job) + len(rest) == len(done.applied)


def test_a_failed_migration_replaces_nothing(tmp_path: Path) -> None:
    done = release(tmp_path, "staging", migration="FailureTarget Failed")
    assert done.returncode != 0
    assert "logs job/migrate" in done.calls[-1]
    assert not any("!=migrate" in call for call in done.calls)


def test_other_settings_are_other_pods(tmp_path: Path) -> None:
    """A pod reads its ConfigMap when it starts, so the same image must start anew."""
    checksums = set()
    for level in ("INFO", "INFO", "DEBUG"):
        done = release(tmp_path, "staging", LOG_LEVEL=level)
        pods = [
            pod for pod in map(pod_of, done.applied) if pod and "annotations" in pod["metadata"]
        ]
        assert len(pods) == len([each for each in done.applied if each["kind"] == "Deployment"])
        (checksum,) = {pod["metadata"]["annotations"]["tollgate/settings-checksum"] for pod in pods}
        assert re.fullmatch("[0-9a-f]{16}", checksum)
        checksums.add(checksum)
    assert len(checksums) == 2


def test_an_unknown_overlay_is_refused() -> None:
    run = subprocess.run(
        ["sh", "deploy/release.sh", "moon", IMAGE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "staging" in run.stderr
