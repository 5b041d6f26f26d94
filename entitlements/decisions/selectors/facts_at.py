"""Everything that answers about some users follow from, gathered once: facts and definitions."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from entitlements.balances.selectors.figures import Answer
from entitlements.decisions.selectors import customer_facts as knowledge
from entitlements.decisions.selectors import facts as stored
from entitlements.decisions.selectors import free_tier
from entitlements.decisions.selectors.customer_facts import Known
from entitlements.features.selectors import features
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision, Definition, Fact, Question
from entitlements.resolution.evaluation_context import Outlook
from projects.models import Project


class Sight:
    """What is known of these users from an outlook. Three queries, and one for definitions."""

    def __init__(self, *, project: Project, user_ids: Collection[str], outlook: Outlook) -> None:
        self.project, self.outlook = project, outlook
        self.known = knowledge.about(project=project, user_ids=user_ids, outlook=outlook)
        self.entries = free_tier.entries(project=project, at=outlook.at)
        everybody = [*free_tier.facts(self.entries, at=outlook.at), *outlook.assumed]
        self._about: dict[str, Mapping[str, list[Fact]]] = {
            user_id: _by_feature([*outlook.expected(stored.known(known.rows)), *everybody])
            for user_id, known in self.known.items()
        }

    def defined(self, codes: Collection[str]) -> dict[str, Definition]:
        """Those of the codes that are defined."""
        return features.definitions(project=self.project, codes=codes, at=self.outlook.known_by)

    def everything(self, user_id: str) -> dict[str, Definition]:
        """Every feature that is not archived, or that the user has something to do with."""
        found = (
            features.live_definitions(project=self.project, at=self.outlook.known_by)
            | free_tier.definitions(self.entries)
            | stored.definitions(self.known[user_id].rows)
        )
        missing = {fact.feature for fact in self.outlook.assumed} - found.keys()
        return dict(sorted((found | (self.defined(missing) if missing else {})).items()))

    def facts(self, question: Question) -> list[Fact]:
        return self._about[question.user_id].get(question.feature, [])

    def answer(self, question: Question, definition: Definition | None) -> Answer:
        """What facts alone say."""
        known = self.known[question.user_id]
        return Answer(known.customer_id, self._decide(question, definition, known))

    def _decide(self, question: Question, definition: Definition | None, known: Known) -> Decision:
        if definition is None:
            return resolution.unknown(question.feature, version=known.version)
        return resolution.resolve(
            self.facts(question),
            definition=definition,
            at=self.outlook.at,
            version=known.version,
        )


def _by_feature(facts: Collection[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.feature].append(fact)
    return dict(found)
