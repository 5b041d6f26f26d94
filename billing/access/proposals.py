"""What purchases would say about features, for previews. Nothing is written."""

from collections.abc import Iterable

from entitlements.decisions.fact_drafts import FactDraft


def proposed(found: Iterable[FactDraft]) -> list[FactDraft]:
    """Claims that nobody has made, as a preview takes them."""
    return [
        FactDraft(
            feature_id=each.feature_id,
            effect=each.effect,
            value=each.value,
            reason=each.reason,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            anchored_at=each.anchored_at,
            part=each.part,
            paid_until=each.paid_until,
        )
        for each in found
    ]
