"""Packages are pinned by version and hash, name no index, and are listed in a bill of materials."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.services import ROOT

PIN = re.compile(r"([a-z0-9.-]+)==(\S+)(?: ; (.+?))?(?: \\)?$")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
HASHED = sorted({file.stem for file in ROOT.glob("requirements/*.txt")} - {"dev"})
EXTRAS = sorted(set(HASHED) - {"base", "production", "protos", "sandbox"})


def pins(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package of the file, by name and marker."""
    packages: dict[str, tuple[str, int]] = {}
    package = ""
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if pin := PIN.match(line):
            package = f"{pin[1]} ; {pin[3]}" if pin[3] else pin[1]
            packages[package] = (pin[2], 0)
        else:
            assert HASH.match(line), f"{name}.txt: {line}"
            version, hashes = packages[package]
            packages[package] = (version, hashes + 1)
    return packages


@pytest.mark.parametrize("name", HASHED)
def test_every_package_of_an_image_has_a_version_and_a_hash(name: str) -> None:
    assert pins(name)
    assert [package for package, (_, hashes) in pins(name).items() if not hashes] == []


def test_packages_of_development_have_a_version() -> None:
    assert {hashes for _, hashes in pins("dev").values()} == {0}, "install.sh reads the line of uv"


def test_files_that_are_installed_together_agree() -> None:
    versions: dict[str, set[str]] = {}
    for name in (*HASHED, "dev"):
        for package, (version, _) in pins(name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: each for package, each in versions.items() if len(each) > 1} == {}


def test_every_source_of_pins_is_compiled() -> None:
    makefile = (ROOT / "Makefile").read_text()
    loop = re.search(r"for name in (.+); do", makefile)
    assert loop is not None
    assert set(loop[1].split()) == {file.stem for file in ROOT.glob("requirements/*.in")}
    assert {file.stem for file in ROOT.glob("requirements/*.txt")} == set(loop[1].split())


def test_the_image_installs_hashed_packages_only() -> None:
    """Also the stage of the compiler: the image gets what it makes of the protos."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.count("pip install --require-hashes") == 3
    assert dockerfile.count("pip install") == 3
    assert "for name in production grpc $EXTRAS" in dockerfile


def test_the_bill_of_materials_lists_what_is_installed(tmp_path: Path) -> None:
    for name in ("requirements", "Makefile", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run(
        ["make", "--assume-old=install", "sbom", f"EXTRAS={' '.join(EXTRAS)}"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = [f"{each['name']}=={each['version']}" for each in bill["components"]]
    expected = {
        f"{package.partition(' ; ')[0]}=={version}"
        for name in ("production", *EXTRAS)
        for package, (version, _) in pins(name).items()
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == expected
    for component in bill["components"]:
        assert component["purl"].startswith("pkg:pypi/")
        assert component["externalReferences"][0]["hashes"]
