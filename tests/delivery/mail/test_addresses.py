"""Two spellings of one address are the same address."""

import pytest

from delivery.mail import addresses


@pytest.mark.parametrize(
    "spelling",
    ["Ada@Example.COM", " ada@example.com ", "ada@example.com.", "ADA@EXAMPLE.com"],
)
def test_spellings_of_one_address(spelling: str) -> None:
    assert addresses.digest(spelling) == addresses.digest("ada@example.com")


def test_a_domain_in_unicode_is_its_ascii_form() -> None:
    assert addresses.digest("ada@bücher.example") == addresses.digest("ada@xn--bcher-kva.example")


def test_other_addresses_differ() -> None:
    assert addresses.digest("ada+x@example.com") != addresses.digest("ada@example.com")
