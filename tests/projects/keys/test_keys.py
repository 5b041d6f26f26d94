"""API keys are random, show their mode, and are recognised by their format."""

import pytest

from projects.keys import bearer_keys


@pytest.mark.parametrize("mode", ["test", "live", "platform"])
def test_a_key_shows_its_mode_only(mode: str) -> None:
    new_key = bearer_keys.make(mode)

    assert new_key.value.startswith(f"tg_{mode}_")
    assert bearer_keys.looks_like_key(new_key.value)
    assert bearer_keys.digest(new_key.value) == new_key.digest
    assert new_key.value[len(new_key.prefix) : -4] not in repr(new_key)


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
