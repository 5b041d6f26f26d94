"""The test cards that the checkout page offers, with their effects."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.cards import BY_NUMBER


class OfferedCard(NamedTuple):
    number: str
    effect: str

    @property
    def spaced(self) -> str:
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))


OFFERED = [
    OfferedCard("4242424242424242", "Pays"),
    OfferedCard("4000002760003184", "Asks for 3-D Secure every time"),
    OfferedCard("4000002500003155", "Asks for 3-D Secure once, then pays renewals"),
    OfferedCard("4000000000000002", "Is declined"),
    OfferedCard("4000000000009995", "Has insufficient funds"),
    OfferedCard("4000000000000069", "Has expired"),
    OfferedCard("4000000000000127", "Has a wrong security code"),
    OfferedCard("4000000000000341", "Can be saved, then every charge is declined"),
    OfferedCard("4000000000000259", "Pays, and is disputed a minute later"),
    OfferedCard("4000000000001976", "Pays, and the bank inquires a minute later"),
    OfferedCard("4000000000007726", "Pays; refunds take an hour"),
    OfferedCard("4000000000005126", "Pays; refunds fail after an hour"),
    OfferedCard("4000008400001629", "Asks for 3-D Secure, then is declined"),
]
assert all(card.number in BY_NUMBER for card in OFFERED), "each offered card is a test card"
