"""`make test` fails if one check fails, and shows that check's output."""

import sys
from pathlib import Path

import pytest

from tests.services import ROOT
from tests.suite import (
    ARTIFACTS,
    Check,
    Result,
    all_tests,
    covered_tests,
    report,
    run,
    run_all,
    static_checks,
    types_cache,
)


def script(code: str) -> Check:
    return Check("script", (sys.executable, "-c", code))


def test_passing_check_passes() -> None:
    assert run(script("print('fine')"), shown=False).passed


@pytest.mark.parametrize("code", ["import sys; sys.exit('broken')", "raise OSError('broken')"])
def test_failing_check_fails_and_keeps_its_output(code: str) -> None:
    result = run(script(code), shown=False)
    assert not result.passed
    assert "broken" in result.output


def test_static_check_speaks_to_no_server() -> None:
    result = run(script("import os; print(os.environ['DATABASE_URL'])"), shown=False)
    assert result.output.strip() == "postgres://nobody@127.0.0.1:9/nothing"


def test_compiled_tests_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    result = run(script("import sys; print(sys.dont_write_bytecode)"), shown=False)
    assert result.output.strip() == "False"


def test_the_cache_of_types_is_shared_unless_somebody_else_owns_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared = types_cache()
    assert shared.parent == tmp_path
    assert shared.stat().st_mode & 0o777 == 0o700
    assert types_cache() == shared
    shared.rmdir()
    for target in (tmp_path, tmp_path / "missing"):
        shared.symlink_to(target)
        assert types_cache() == ROOT / ".mypy_cache"
        shared.unlink()


def test_report_shows_output_of_failures_only() -> None:
    text = report([Result("types", False, 2.5, "line 1: wrong"), Result("style", True, 1, "noise")])
    assert "line 1: wrong" in text
    assert "noise" not in text
    assert "FAIL  types           2.5 s" in text
    assert "ok    style           1.0 s" in text


def test_suite_checks_types_schema_migrations_layers_style_and_behaviour() -> None:
    names = [check.name for check in [*static_checks(), all_tests()]]
    assert names == ["types", "API schema", "migrations", "layers", "format", "style", "tests"]


def test_tests_follow_their_preparation_and_run_although_a_check_failed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    note = f"with open({str(log)!r}, 'a') as log: log.write"
    before = [script(f"{note}('check '); exit(1)"), script(f"{note}('check ')")]
    results = run_all(before, [], script(f"{note}('tests')"))
    assert log.read_text() == "check check tests"
    assert [each.passed for each in results] == [False, True, True]


def test_tests_do_not_wait_for_the_checks_beside_them(tmp_path: Path) -> None:
    """A check that waits for the tests, and fails, is reported."""
    done = tmp_path / "done"
    wait = f"while not os.path.exists({str(done)!r}): time.sleep(0.01)"
    check = script(f"import os, time\n{wait}\nraise SystemExit(1)")
    results = run_all([], [check], script(f"open({str(done)!r}, 'w').close()"))
    assert [each.passed for each in results] == [False, True]


def test_slowest_tests_are_listed() -> None:
    assert "--durations=20" in all_tests().command


def test_a_run_leaves_its_results_as_artifacts() -> None:
    assert f"--junitxml={ARTIFACTS / 'junit.xml'}" in all_tests().command
    assert "artifacts/" in (ROOT / ".gitignore").read_text().splitlines()


def test_coverage_is_written_for_programs_and_people() -> None:
    command = covered_tests(["tests/usage"]).command
    assert command[-1] == "tests/usage"
    assert f"--cov-report=xml:{ARTIFACTS / 'coverage.xml'}" in command
    assert f"--cov-report=html:{ARTIFACTS / 'coverage'}" in command
    assert not [option for option in all_tests().command if "--cov" in option], "twice the time"
