"""API keys are random, show their mode, and are recognised by their format."""

import pytest

from projects.keys import bearer_keys


@pytest.mark.parametrize("mode", ["test", "live", "platform"])
def test_a_key_shows_its_mode_only(mode: str) -> None:
    made = bearer_keys.make(mode)

    assert made.value.startswith(f"tg_{mode}_")
    assert bearer_keys.looks_like_key(made.value)
    assert bearer_keys.digest(made.value) == made.digest
    assert made.value[len(made.prefix) : -4] not in repr(made)


def test_no_two_keys_are_the_same() -> None:
    assert len({bearer_keys.make("test").digest for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tg_test_",
        "tg_prod_" + "a" * 43,
        "tg_test_" + "a" * 42,
        "tg_test_" + "a" * 44,
        "tg_test_" + "é" * 43,
        "tg_test_" + "a" * 42 + "\n",
    ],
)
def test_invalid_keys_are_rejected(text: str) -> None:
    assert not bearer_keys.looks_like_key(text)
