"""The deployment files agree with each other and with the settings."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from billing.conf import BillingSettings
from common.liveness import touch_liveness_file
from config.server.limits import Limits
from devtools.embedded.postgres import SETTINGS
from devtools.stack.programs import programs, web
from tests.config.test_production import COMPLETE

ROOT = Path(__file__).resolve().parents[2]
READS = re.compile(r"""(?:env\.\w+|required|comma_list)\(\s*"([A-Z_]+)\"""")
OUTSIDE_SETTINGS = {
    "DJANGO_SETTINGS_MODULE",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "TLS_DIRECTORY",
    "HTTP_ADDRESS",
    "PYTHON_IMAGE",
    "POSTGRES_IMAGE",
    "REDIS_IMAGE",
    "NGINX_IMAGE",
    "KAFKA_IMAGE",
    "TEMPORAL_IMAGE",
    "EXTRAS",
    "COMPANY_NETWORK",
}


def settings_variables() -> set[str]:
    files = [*ROOT.glob("config/settings/*.py"), ROOT / "config/env.py", *ROOT.glob("*/conf.py")]
    return {name for file in files for name in READS.findall(file.read_text())}


def example_variables() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    services: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return services


def test_example_names_exactly_what_the_settings_read() -> None:
    assert set(example_variables()) - OUTSIDE_SETTINGS == settings_variables()


def test_example_explains_every_variable() -> None:
    before = ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if re.match(r"[A-Z_]+=", line):
            assert before.startswith("#"), line
        before = line


def test_example_holds_no_secret() -> None:
    example = example_variables()
    secrets = ("SECRET_KEY", "ENCRYPTION_KEYS", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS")
    assert [example[name] for name in secrets] == ["", "", "", ""]


def test_a_hanging_stripe_leaves_threads_for_other_requests() -> None:
    waiting = {int(example_variables()["STRIPE_CONCURRENCY"]), BillingSettings().stripe_concurrency}
    assert max(waiting) + 2 <= Limits().threads


def test_the_image_starts_the_web_server_as_the_stack_does() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    options = dict(re.findall(r"GRANIAN_(\w+)=(\S+)", dockerfile))
    command = web(8000)
    for option, variable in [
        ("--interface", "INTERFACE"),
        ("--http", "HTTP"),
        ("--http1-header-read-timeout", "HTTP1_HEADER_READ_TIMEOUT"),
        ("--backlog", "BACKLOG"),
        ("--backpressure", "BACKPRESSURE"),
        ("--workers", "WORKERS"),
    ]:
        assert command[command.index(option) + 1] == options[variable], option
    assert "--no-ws" in command
    assert options["WEBSOCKETS"] == "false"
    assert f'CMD ["python", "-m", "{command[2]}", "{command[-1]}"]' in dockerfile
    assert Limits().max_connections < int(options["BACKPRESSURE"])


def test_workers_and_beat_of_compose_start_as_those_of_the_stack(tmp_path: Path) -> None:
    environment = {**COMPLETE, "STRIPE_WEBHOOK_SECRETS": "", "STRIPE_SECRET_KEY": ""}
    stack = {
        each.name: list(each.command)
        for each in programs(
            var=tmp_path, web_port=1, sandbox_port=2, rpc_port=3, environment=environment
        )
    }
    for name in ("worker", "beat"):
        assert compose()["services"][name]["command"] == stack[name][2:], name


def test_every_container_is_restarted_and_has_a_healthcheck() -> None:
    """``migrate`` alone is meant to end."""
    services = compose()["services"]
    kept = {name: each for name, each in services.items() if name != "migrate"}
    assert {each["restart"] for each in kept.values()} == {"unless-stopped"}
    in_image = {"web", "worker", "beat", "deliver", "rpc"}
    assert {name for name, each in kept.items() if "healthcheck" in each} == set(kept) - in_image
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    assert all(services[name]["environment"]["LIVENESS_FILE"] for name in in_image - {"web"})
    assert "LIVENESS_FILE" not in services["web"].get("environment", {})


def run_healthcheck(**environment: str) -> int:
    command = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    return subprocess.run(command, env=environment, check=False).returncode


def test_a_worker_is_healthy_while_it_touches_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alive"
    assert run_healthcheck(LIVENESS_FILE=str(file)) == 1
    monkeypatch.setenv("LIVENESS_FILE", str(file))
    touch_liveness_file()
    assert run_healthcheck(LIVENESS_FILE=str(file)) == 0
    a_minute_ago = time.time() - 61
    os.utime(file, (a_minute_ago, a_minute_ago))
    assert run_healthcheck(LIVENESS_FILE=str(file)) == 1


def test_a_web_server_that_does_not_answer_is_not_healthy(silent_port: int) -> None:
    assert run_healthcheck(GRANIAN_PORT=str(silent_port), ALLOWED_HOSTS="tollgate.example") == 1


def test_image_collects_static_files_with_every_required_variable() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert {name for name in COMPLETE if f"{name}=" in dockerfile} == set(COMPLETE)


def test_image_contains_every_app_and_nothing_private() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    apps = {path.parent.name for path in ROOT.glob("*/apps.py")}
    assert apps <= allowed
    assert not allowed & {".env", ".git", "var", "tests"}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_databases_log_in_compose_holds_no_personal_data() -> None:
    command = compose()["services"]["postgres"]["command"]
    for name in ("log_error_verbosity", "log_min_error_statement"):
        assert f"{name}={SETTINGS[name]}" in command


def test_compose_runs_the_programs_of_the_stack_on_stock_images() -> None:
    services = compose()["services"]
    ours = {"migrate", "web", "worker", "beat", "deliver", "rpc", "sandbox"}
    stock = {"postgres", "redis", "proxy", "proxy-tls", "kafka", "temporal"}
    assert set(services) == ours | stock
    assert {name for name, service in services.items() if "build" not in service} == stock
    assert {name: each["profiles"] for name, each in services.items() if "profiles" in each} == {
        "proxy-tls": ["tls"], "sandbox": ["sandbox"], "kafka": ["kafka"], "temporal": ["temporal"],
    }  # fmt: skip
    assert "noeviction" in services["redis"]["command"]
    assert services["redis"]["command"][1:3] == ["--appendonly", "yes"]


def test_only_the_proxy_is_reached_from_outside() -> None:
    services = compose()["services"]
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"proxy", "proxy-tls", "sandbox"}
    for name in ("proxy", "proxy-tls"):
        for volume in services[name]["volumes"]:
            source = volume.split(":")[0]
            assert source.startswith("${TLS_DIRECTORY") or (ROOT / source).is_file(), volume


def test_redis_asks_for_the_password_that_its_address_has() -> None:
    command, example = compose()["services"]["redis"]["command"], example_variables()
    assert command[command.index("--requirepass") + 1].startswith("${REDIS_PASSWORD:?")
    assert f":{example['REDIS_PASSWORD']}@" in example["REDIS_URL"]


def test_every_base_image_can_be_named_with_its_digest() -> None:
    """A tag may be moved to other bytes; digests are the operator's to choose and to renew."""
    images = {name: service.get("image", "") for name, service in compose()["services"].items()}
    stock = {name: image for name, image in images.items() if not image.startswith("tollgate")}
    assert stock
    for name, image in stock.items():
        variable, _, default = image.strip("${}").partition(":-")
        assert example_variables()[variable] == default, name
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"ARG PYTHON_IMAGE={example_variables()['PYTHON_IMAGE']}\n" in dockerfile
    foreign = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert foreign[0] == "${PYTHON_IMAGE}"
    assert all(name in re.findall(r" AS (\S+)", dockerfile) for name in foreign[1:])


def test_compose_builds_images_that_the_dockerfile_defines() -> None:
    targets = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    services = compose()["services"].values()
    assert {one["build"]["target"] for one in services if "build" in one} <= set(targets)
    assert targets[-1] == "tollgate"


def test_compose_reads_only_variables_of_the_example() -> None:
    names = re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text())
    assert set(names) <= set(example_variables())


def test_make_help_explains_every_verb() -> None:
    makefile = (ROOT / "Makefile").read_text()
    verbs = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert verbs is not None
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    explained = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", shown, re.MULTILINE))
    assert list(explained) == verbs[1].split()


@pytest.mark.parametrize("script", ["deploy/install.sh", "deploy/release.sh", ".ci/run"])
def test_scripts_parse(script: str) -> None:
    shell = (ROOT / script).read_text().splitlines()[0].split("/")[-1].split()[-1]
    subprocess.run([shell, "-n", str(ROOT / script)], check=True)


def test_install_says_which_python_it_needs(tmp_path: Path) -> None:
    for name in ("deploy/install.sh", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text((ROOT / name).read_text())
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.20" || exit 1\n')
    old.chmod(0o755)

    run = subprocess.run(
        ["sh", "deploy/install.sh", str(old)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "needs Python 3.11 to 3.14" in run.stderr
    assert "found: Python 3.8.20" in run.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_release_has_the_compiled_modules_of_every_app() -> None:
    script = (ROOT / "deploy" / "build.sh").read_text()
    ours = {each.partition(".")[0] for each in settings.INSTALLED_APPS}
    ours = {each for each in ours if (ROOT / each).is_dir()} | {"config", "graph_api"}
    left_out = {each for each in ours if not re.search(rf"\b{each}\b", script)}
    assert left_out <= {"devtools", "tests"}, "they are for development"
