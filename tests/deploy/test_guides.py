"""What the guides for operators name exists: commands, variables, addresses, tests, figures."""

import re
import shlex
import subprocess

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from config import settings_checks
from config.env import encryption_keys
from tests.config.test_deployment import example_variables
from tests.contract.answers import openapi
from tests.deploy.guide import blocks, management_commands, page, section
from tests.deploy.kustomize import Resource, find, render
from tests.deploy.manifests import FOLDER, container, of_kind
from tests.services import ROOT

GUIDES = ("operations.md", "security.md", "stripe-test-account.md", "deployment.md")
PROGRAMS = {"cp", "createdb", "docker", "for", "done", "kubectl", "pg_dump", "pg_restore",
            "python3", "sh", "stripe"}  # fmt: skip
OTHERS = {"RESTORED_URL", "LIVENESS_FILE", "SIGHUP", "SIGTERM", "SO_REUSEPORT", "DELETE"}
PROCESSES = {"web": 2, "worker": 3, "relay": 2, "deliver": 1, "rpc": 1, "beat": 1}
"""Processes of a pod, each with a pool of connections."""


def commands() -> list[tuple[str, list[str]]]:
    return [(name, each) for name in GUIDES for each in management_commands(page(name))]


@pytest.mark.parametrize(
    ("guide", "arguments"), commands(), ids=lambda value: value if isinstance(value, str) else None
)
def test_every_management_command_is_understood(guide: str, arguments: list[str]) -> None:
    command = load_command_class(get_commands()[arguments[0]], arguments[0])
    if "--help" not in arguments and "…" not in arguments:
        command.create_parser("manage.py", arguments[0]).parse_args(arguments[1:])


def test_the_guides_have_commands() -> None:
    assert {name for name, _ in commands()} == set(GUIDES)
    named = {arguments[0] for _, arguments in commands()}
    assert {"migrate", "reconcile", "reencrypt", "rotate_signing_key", "refill_bus"} <= named


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_of_commands_parses_and_calls_what_exists(guide: str) -> None:
    for block in blocks(page(guide)):
        subprocess.run(["sh", "-n", "-c", block], check=True)
        for line in block.replace("\\\n", " ").splitlines():
            words = [word for word in shlex.split(line, comments=True) if "=" not in word[:20]]
            if words and not line.startswith("    "):
                assert words[0] in PROGRAMS, line
            for word in words:
                if word.startswith(("deploy/", "./deploy/")):
                    assert (ROOT / word).exists(), word


@pytest.mark.parametrize("guide", GUIDES)
def test_every_variable_is_one_of_the_example(guide: str) -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]{5,})(?:=[^`]*)?`", page(guide)))
    assert named - OTHERS <= set(example_variables())


@pytest.mark.parametrize("guide", GUIDES)
def test_every_address_is_in_the_contract(guide: str) -> None:
    for method, path in re.findall(r"`(GET|POST|PATCH|PUT|DELETE) (/[^`?]*)`", page(guide)):
        assert method.lower() in openapi()["paths"][f"/api/v1{path}"], path


def test_every_wall_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| .+ \|$", section("security.md", "Threats"), re.MULTILINE)[1:]
    assert len(rows) >= 20
    assert [row for row in rows if "tests/" not in row] == []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page("security.md")):
        text = (ROOT / file).read_text()
        assert f"def {name or 'test_'}" in text, f"{file}::{name}"


def test_the_values_that_the_guide_makes_are_accepted() -> None:
    text = section("operations.md", "Secrets and how to replace them")
    (block,) = blocks(text)
    signing, encrypting = (
        subprocess.run(
            ["sh", "-c", line], capture_output=True, text=True, check=True
        ).stdout.strip()
        for line in block.splitlines()
    )
    assert settings_checks.secret_key(signing) == signing
    assert set(encryption_keys(encrypting)) == {"k2"}


def test_every_secret_of_the_environment_can_be_replaced() -> None:
    text = section("operations.md", "Secrets and how to replace them")
    (secret,) = yaml.safe_load_all((FOLDER / "examples" / "secrets.yaml").read_text())
    for name in secret["stringData"]:
        assert f"`{name}`" in text, name
    assert "`HERMES_TOKEN`" in text


@pytest.fixture
def production() -> list[Resource]:
    return render(FOLDER / "overlays" / "production")


def test_the_connections_are_those_of_the_manifests(production: list[Resource]) -> None:
    """Twelve for each process, and one more where Stripe's events arrive."""
    scaled = of_kind(production, "HorizontalPodAutoscaler")
    least = most = 0
    for name, processes in PROCESSES.items():
        fixed = find(production, "Deployment", name)["spec"].get("replicas", 0)
        spec = scaled[name]["spec"] if name in scaled else {}
        connections = (13 if name == "web" else 12) * processes
        least += connections * spec.get("minReplicas", fixed)
        most += connections * spec.get("maxReplicas", fixed)
    assert f"at most {least} in the beginning, and {most} when" in page("operations.md")
    assert '"max_size": 12' in (ROOT / "config" / "env.py").read_text()


def test_the_resources_are_those_of_the_manifests(production: list[Resource]) -> None:
    text = section("operations.md", "Sizing")
    rows = re.findall(r"^\| `(\w+)`.*\| (\d+) MiB \| (\d+) MiB \|$", text, re.MULTILINE)
    assert {name for name, _, _ in rows} == {"web", "worker", "beat", "deliver"}
    for name, request, limit in rows:
        resources = container(find(production, "Deployment", name))["resources"]
        assert resources["requests"]["memory"] == f"{request}Mi", name
        assert resources["limits"]["memory"] == f"{limit}Mi", name


def test_reports_reach_somebody() -> None:
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in page("security.md")
