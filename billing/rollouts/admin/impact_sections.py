"""The figures of a change of a product, as tables."""

from collections.abc import Mapping
from typing import Any

from common.admin import columns
from common.admin.sections import Section

WAYS = ("gain", "lose", "more", "less", "other")


def sections(said: Mapping[str, Any]) -> list[Section]:
    """Whoever gains and loses what, then limits, then money; what does not arise is left out."""
    found = [_features(said)]
    if said["over_limit"]:
        found.append(_over(said))
    if said["moves"] or said["refused"]:
        found.append(_moves(said))
    return found


def _features(said: Mapping[str, Any]) -> Section:
    looked_at, holders = said["looked_at"], said["holders"]
    part = "" if looked_at == holders else f" The first {looked_at:,} of them were looked at."
    return Section(
        title="What holders gain and lose",
        note=f"{holders:,} holders: {said['changed']:,} would have another answer.{part}",
        headers=["Feature", "Gain it", "Lose it", "Get more", "Get less", "Another value"],
        rows=[
            [columns.code(each["feature"]), *(f"{each[way]:,}" for way in WAYS)]
            for each in said["features"]
        ],
        empty="Nobody notices.",
        right=[1, 2, 3, 4, 5],
    )


def _over(said: Mapping[str, Any]) -> Section:
    return Section(
        title="Over a limit",
        note="Who have used more than the limit would be.",
        headers=["Feature", "Users", "Among them"],
        rows=[
            [columns.code(each["feature"]), f"{each['users']:,}", ", ".join(each["user_ids"])]
            for each in said["over_limit"]
        ],
        right=[1],
        prose=[2],
    )


def _moves(said: Mapping[str, Any]) -> Section:
    bills = said["bills"]
    rows = [
        [f"Pay {word}" if word != "same" else "Pay the same", f"{bills[word]:,}", "", "", ""]
        for word in ("more", "less", "same")
        if bills[word]
    ]
    rows += [
        [f"Refused: {each['code']}", f"{each['subscriptions']:,}", "", "", ""]
        for each in said["refused"]
    ]
    rows += [
        [
            "A month brings",
            "",
            *(columns.money(each[name], each["currency"]) for name in ("before", "after")),
            columns.money(each["difference"], each["currency"]),
        ]
        for each in said["mrr"]
    ]
    return Section(
        title="Subscriptions that move",
        note="Before discounts and taxes, every interval as its part of a month.",
        headers=["What", "Subscriptions", "Now", "Then", "Difference"],
        rows=rows,
        right=[1, 2, 3, 4],
    )
