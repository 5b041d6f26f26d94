"""The impact of a product change, as sections of a console page."""

from collections.abc import Mapping
from typing import Any

from common.admin import columns
from common.admin.sections import Section

EFFECT_KINDS = ("gain", "lose", "more", "less", "other")


def impact_sections(impact: Mapping[str, Any]) -> list[Section]:
    """Sections on features, limits and revenue; empty ones are left out."""
    shown = [_features(impact)]
    if impact["over_limit"]:
        shown.append(_over(impact))
    if impact["moves"] or impact["refused"]:
        shown.append(_moves(impact))
    return shown


def _features(impact: Mapping[str, Any]) -> Section:
    looked_at, holders = impact["looked_at"], impact["holders"]
    part = "" if looked_at == holders else f" The first {looked_at:,} of them were looked at."
    return Section(
        title="Features that holders gain and lose",
        note=f"{holders:,} holders: {impact['changed']:,} would have another answer.{part}",
        headers=["Feature", "Gain it", "Lose it", "Get more", "Get less", "Another value"],
        rows=[
            [columns.code(item["feature"]), *(f"{item[way]:,}" for way in EFFECT_KINDS)]
            for item in impact["features"]
        ],
        empty="Nobody notices.",
        right=[1, 2, 3, 4, 5],
    )


def _over(impact: Mapping[str, Any]) -> Section:
    return Section(
        title="Over a limit",
        note="Users who have used more than the new limit.",
        headers=["Feature", "Users", "Among them"],
        rows=[
            [columns.code(item["feature"]), f"{item['users']:,}", ", ".join(item["user_ids"])]
            for item in impact["over_limit"]
        ],
        right=[1],
        prose=[2],
    )


def _moves(impact: Mapping[str, Any]) -> Section:
    bills = impact["bills"]
    rows = [
        [f"Pay {word}" if word != "same" else "Pay the same", f"{bills[word]:,}", "", "", ""]
        for word in ("more", "less", "same")
        if bills[word]
    ]
    rows += [
        [f"Refused: {item['code']}", f"{item['subscriptions']:,}", "", "", ""]
        for item in impact["refused"]
    ]
    rows += [
        [
            "A month brings",
            "",
            *(columns.money(item[name], item["currency"]) for name in ("before", "after")),
            columns.money(item["difference"], item["currency"]),
        ]
        for item in impact["mrr"]
    ]
    return Section(
        title="Subscriptions that move",
        note="Before discounts and taxes, converted to a month.",
        headers=["What", "Subscriptions", "Now", "Then", "Difference"],
        rows=rows,
        right=[1, 2, 3, 4],
    )
