"""Virtual environments of the peers under ``var/bench``.

Their packages are no dependencies of the product. A peer whose environment cannot be created is
left out, and the report says so.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.bench_servers import VAR

HERE = Path(__file__).resolve().parent


class EnvironmentUnavailable(RuntimeError):
    """The packages of a peer cannot be installed."""


def find_python(name: str) -> str:
    """The interpreter of an environment with ``requirements-<name>.txt``, created on first use.

    Raises NoEnvironment.
    """
    requirements = HERE / f"requirements-{name}.txt"
    directory = VAR / name
    mark = directory / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    python = directory / "bin" / "python"
    if not mark.exists():
        uv = [str(Path(sys.executable).with_name("uv"))]
        _run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(directory)])
        _run([*uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)])
        mark.touch()
    return str(python)


def _run(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise EnvironmentUnavailable(
            run.stderr.strip().splitlines()[-1] if run.stderr else command[-1]
        )
