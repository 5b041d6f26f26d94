"""Everything that decisions about some users follow from, in any evaluation context."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property

from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.decisions.selectors import customer_facts, free_tier
from entitlements.decisions.selectors import facts as fact_rows
from entitlements.decisions.selectors.customer_facts import CustomerFacts
from entitlements.features.selectors import features
from entitlements.resolution import decision as resolution
from entitlements.resolution.decision import Decision, Question
from entitlements.resolution.evaluation_context import EvaluationContext
from entitlements.resolution.facts import DecisionFact, FeatureDefinition
from projects.models import Project


class FactsInContext:
    """Facts and definitions for these users. Three queries, and one for definitions."""

    def __init__(
        self, *, project: Project, user_ids: Collection[str], context: EvaluationContext
    ) -> None:
        self.project, self.context = project, context
        self.customers = customer_facts.find_many(
            project=project, user_ids=user_ids, context=context
        )
        self.free_tier_rows = free_tier.entries(project=project, at=context.at)
        shared_facts = [
            *free_tier.facts(self.free_tier_rows, at=context.at),
            *context.assumed_facts,
        ]
        self._facts_by_user: dict[str, Mapping[str, list[DecisionFact]]] = {
            user_id: _by_feature(
                [*context.adjust_facts(fact_rows.to_decision_facts(customer.rows)), *shared_facts]
            )
            for user_id, customer in self.customers.items()
        }

    def definitions(self, codes: Collection[str]) -> dict[str, FeatureDefinition]:
        """Definitions of those codes that exist, by code."""
        return features.definitions(project=self.project, codes=codes, at=self.context.recorded_by)

    def definitions_about(self, user_id: str) -> dict[str, FeatureDefinition]:
        """Definitions of every feature that is live or that has facts about the user, by code."""
        definitions = (
            self._live_definitions
            | free_tier.definitions(self.free_tier_rows)
            | fact_rows.definitions(self.customers[user_id].rows)
        )
        missing = {fact.feature for fact in self.context.assumed_facts} - definitions.keys()
        return dict(sorted((definitions | (self.definitions(missing) if missing else {})).items()))

    @cached_property
    def _live_definitions(self) -> dict[str, FeatureDefinition]:
        return features.live_definitions(project=self.project, at=self.context.recorded_by)

    def facts(self, question: Question) -> list[DecisionFact]:
        return self._facts_by_user[question.user_id].get(question.feature, [])

    def decide(self, question: Question, definition: FeatureDefinition | None) -> StaticDecision:
        """The static decision."""
        customer = self.customers[question.user_id]
        return StaticDecision(customer.customer_id, self._decide(question, definition, customer))

    def _decide(
        self, question: Question, definition: FeatureDefinition | None, customer: CustomerFacts
    ) -> Decision:
        if definition is None:
            return resolution.decide_unknown_feature(question.feature, version=customer.version)
        return resolution.resolve(
            self.facts(question),
            definition=definition,
            at=self.context.at,
            version=customer.version,
        )


def _by_feature(facts: Collection[DecisionFact]) -> dict[str, list[DecisionFact]]:
    by_feature: dict[str, list[DecisionFact]] = defaultdict(list)
    for fact in facts:
        by_feature[fact.feature].append(fact)
    return dict(by_feature)
