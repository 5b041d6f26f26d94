"""The pipeline is valid, names its actions by commit, and gives each job as little as it needs."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.schema_check import mistakes
from tests.services import ROOT

FOLDER = ROOT / ".github"
PIPELINE = FOLDER / "workflows" / "pipeline.yml"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    pipeline: dict[str, Any] = yaml.safe_load(PIPELINE.read_text())
    jobs: dict[str, Any] = pipeline["jobs"]
    return jobs


def test_the_workflow_is_valid_and_the_schema_refuses_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(PIPELINE.read_text().replace("runs-on:", "runs_on:"))
    refused = mistakes("vendor.github-workflows", PIPELINE, wrong)
    assert list(refused) == [wrong], refused
    assert "runs_on" in refused[wrong]


def test_every_job_has_a_time_limit() -> None:
    assert mistakes("custom.github-workflows-require-timeout", PIPELINE) == {}


def test_the_list_of_dependencies_to_update_is_valid() -> None:
    assert mistakes("vendor.dependabot", FOLDER / "dependabot.yml") == {}


def test_every_action_is_named_by_its_commit() -> None:
    lines = [line for line in PIPELINE.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line), line


def test_each_step_waits_for_the_one_before(jobs: dict[str, Any]) -> None:
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "test": None,
        "image": "test",
        "staging": "image",
        "production": "image",
    }
    steps = [step.get("uses", "").partition("@")[0] for step in jobs["image"]["steps"]]
    scan, push = steps.index("anchore/scan-action"), len(steps) - 2
    assert steps[push] == "docker/build-push-action"
    assert scan < push, "nothing is pushed that was not scanned"


def test_only_the_push_of_the_image_may_write(jobs: dict[str, Any]) -> None:
    pipeline = yaml.safe_load(PIPELINE.read_text())
    assert pipeline["permissions"] == {"contents": "read"}
    assert {name for name, job in jobs.items() if "write" in str(job.get("permissions"))} == {
        "image"
    }
    secrets = {name for name, job in jobs.items() if "secrets.KUBECONFIG" in str(job)}
    assert secrets == {"staging", "production"}
    assert {name: jobs[name]["environment"] for name in secrets} == {
        "staging": "staging", "production": "production",
    }  # fmt: skip


def test_no_text_of_a_stranger_becomes_a_command(jobs: dict[str, Any]) -> None:
    """A branch's name in ``${{ }}`` would be run by the shell; variables are not."""
    for job in jobs.values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_the_suite_is_run_by_a_user_who_is_not_root() -> None:
    """A runner's user may become root with sudo; apt-get alone would end the pipeline."""
    script = (ROOT / ".ci" / "run").read_text()
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    commands = script.replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in commands if "apt-get" in line]
    assert lines
    assert [line for line in lines if not line.startswith("as_root ")] == []


def test_what_the_pipeline_calls_exists(jobs: dict[str, Any]) -> None:
    commands = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    assert ".ci/run" in commands
    assert "deploy/release.sh" in commands
    for place in (".ci/run", "deploy/release.sh", "deploy/kubernetes/overlays/staging",
                  "deploy/kubernetes/overlays/production"):  # fmt: skip
        assert (ROOT / place).exists()
    extras = yaml.safe_load(PIPELINE.read_text())["env"]["EXTRAS"].split()
    assert all((ROOT / "requirements" / f"{extra}.txt").is_file() for extra in extras)
