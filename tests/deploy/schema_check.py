"""Files held to published JSON schemas. A start of the tool takes more than all its checks."""

import json
import subprocess
import sys
from pathlib import Path


def mistakes(schema: str, *files: Path) -> dict[Path, str]:
    """What is wrong with each of the files that the schema refuses."""
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
