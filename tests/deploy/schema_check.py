"""Files and resources held to published JSON schemas."""

import json
import subprocess
import sys
from pathlib import Path

from tests.deploy.kustomize import Resource


def mistakes(schema: str, *files: Path) -> dict[Path, str]:
    """What is wrong with each of the files that the schema refuses. Starting the tool takes longer
    than all its checks."""
    tool = Path(sys.executable).parent / "check-jsonschema"
    command = [str(tool), "--output-format", "json", "--builtin-schema", schema, *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(run.stdout)
    assert not report.get("parse_errors"), report
    texts: dict[Path, str] = {}
    for error in report["errors"]:
        file = Path(error["filename"])
        texts[file] = texts.get(file, "") + json.dumps(error)
    assert run.returncode == bool(texts), run.stderr
    return texts


def validate_resource(resource: Resource, version: str) -> None:
    """Hold a resource to the schemas of a version of Kubernetes, "latest" for the newest. Raises
    ValueError that names the mistake."""
    # It takes a second and a half to import: not for every worker that collects the tests.
    import kubernetes_validate  # noqa: PLC0415

    number = kubernetes_validate.latest_version() if version == "latest" else version
    try:
        kubernetes_validate.validate(resource, number, strict=True)
    except kubernetes_validate.ValidationError as mistake:
        raise ValueError(str(mistake)) from mistake
