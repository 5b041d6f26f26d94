"""A release migrates before it replaces anything, and uses one image everywhere.

``kubectl`` is a program of the test here, which writes down what it was called with.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy.kustomize import Resource, all_containers, render
from tests.deploy.manifests import FOLDER
from tests.services import ROOT

IMAGE = "registry.example.com/tollgate@sha256:" + "0" * 64
COMPONENT = "app.kubernetes.io/component"
KUBECTL = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    kustomize*) cat "$RENDERED" ;;
    apply*) cp "$3" "$APPLIED" ;;
    *wait*) exit "$MIGRATION" ;;
    *"get deployments"*) echo deployment.apps/web; echo deployment.apps/beat ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Release:
    returncode: int
    calls: list[str]
    applied: list[Resource]


def release(folder: Path, overlay: str, *, migration: int = 0) -> Release:
    """Run the script; ``migration`` is the exit code of waiting for the job."""
    program = folder / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    (folder / "rendered").write_text(yaml.safe_dump_all(render(FOLDER / "overlays" / overlay)))
    run = subprocess.run(
        ["sh", str(ROOT / "deploy" / "release.sh"), overlay, IMAGE],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "RENDERED": str(folder / "rendered"),
            "APPLIED": str(folder / "applied"),
            "MIGRATION": str(migration),
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
    assert verbs == ["kustomize", "apply", "delete", "apply", "wait", "apply", "get",
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
    done = release(tmp_path, "staging", migration=1)
    assert done.returncode != 0
    assert "wait job/migrate" in done.calls[-1]
    assert not any("!=migrate" in call for call in done.calls)


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
