"""The README's management commands run as printed, by the interpreter with the packages."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from django.core.management import call_command, get_commands, load_command_class

from projects.models import Project
from tests.config.test_production import COMPLETE
from tests.services import ROOT

HERE = [".venv/bin/python", "manage.py"]
CONTAINER = ["docker", "compose", "exec", "web", "python", "manage.py"]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]


def commands() -> Iterator[tuple[list[str], list[str]]]:
    """Each command that a reader can paste, as interpreter and arguments."""
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        pasted = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
                  for line in block.splitlines()]  # fmt: skip
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for line in [*pasted, *re.findall(r"`([^`]*manage\.py[^`…]*)`", prose)]:
            words = shlex.split(line, comments=True)
            if "manage.py" in words:
                end = words.index("manage.py") + 1
                yield words[:end], words[end:]


def test_the_readme_has_commands_for_checkout_and_container() -> None:
    assert [by for by, _ in commands()].count(HERE) >= 2
    assert [by for by, _ in commands()].count(CONTAINER) >= 4


@pytest.mark.parametrize(("by", "arguments"), list(commands()), ids=" ".join)
def test_each_command_runs_under_its_interpreter(by: list[str], arguments: list[str]) -> None:
    assert by in (HERE, CONTAINER)
    app = get_commands()[arguments[0]]
    command = load_command_class(app, arguments[0])
    parser = command.create_parser("manage.py", arguments[0])
    if "--help" not in arguments:
        parser.parse_args(arguments[1:])


def test_manage_py_starts_outside_the_virtual_environment() -> None:
    run = subprocess.run(
        [*HERE, "create_project", "--help"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings.production",
             **COMPLETE},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_python_in_the_image_is_the_one_with_the_packages() -> None:
    image = (ROOT / "Dockerfile").read_text().rpartition("AS tollgate")[2]
    assert re.search(r"^ENV PATH=/venv/bin:\$PATH", image, re.MULTILINE)
    assert "web" in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.django_db
def test_the_readmes_command_creates_its_project(capsys: pytest.CaptureFixture[str]) -> None:
    [arguments] = [each for by, each in commands() if by == HERE and each[0] == "create_project"]
    call_command(*arguments)
    assert Project.objects.get().return_origins == ["https://robots.example.com"]
    assert "tg_test_" in capsys.readouterr().out
