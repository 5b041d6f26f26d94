"""Facts that purchases would lead to, for previews. Nothing is written."""

from collections.abc import Iterable

from entitlements.decisions.selectors.previews import ProposedFact
from entitlements.facts.service import FactDraft


def propose(drafts: Iterable[FactDraft]) -> list[ProposedFact]:
    """Turn drafts of facts into the values that a preview takes."""
    return [
        ProposedFact(
            feature_id=draft.feature_id,
            effect=draft.effect,
            value=draft.value,
            reason=draft.reason,
            starts_at=draft.starts_at,
            ends_at=draft.ends_at,
            anchored_at=draft.anchored_at,
            part=draft.part,
            paid_until=draft.paid_until,
        )
        for draft in drafts
    ]
