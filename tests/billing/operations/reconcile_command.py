"""Run the reconcile command and read its findings."""

from collections.abc import Callable
from io import StringIO

from django.core.management import call_command

Drain = Callable[[], None]


def run(*arguments: str) -> tuple[str, int]:
    """Run the command; return its output and exit code."""
    out = StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0
