"""A failure's row counts attempts and keeps no secret."""

from datetime import timedelta

import pytest

from common import fair_queue
from common.fair_queue import RetryRule
from common.models import BackOff
from tests.back_offs import end_pauses

RULE = RetryRule(queue="test", first=timedelta(minutes=1), attempts=3)


def fail(error: Exception) -> BackOff:
    fair_queue.record_failure(RULE, owner="prj_1", subject="row_1", error=error)
    return BackOff.objects.get()


@pytest.mark.django_db
def test_failures_within_one_pause_count_once() -> None:
    """Eight processes that meet the same outage park nothing."""
    for _ in range(8):
        row = fail(ConnectionError())
    assert (row.failures, row.parked_at) == (1, None)

    end_pauses()
    assert fail(ConnectionError()).failures == 2
    assert fail(ValueError()).failures == 3, "another trouble is told at once"


@pytest.mark.django_db
@pytest.mark.parametrize("secret", ["sk_test_51H8abcdEFGH", "ada@example.com"])
def test_a_secret_in_an_error_is_not_kept(secret: str) -> None:
    assert fail(ValueError(f"said by {secret}")).last_error == "ValueError: said by [redacted]"
