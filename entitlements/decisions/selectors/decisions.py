"""Decisions from the database: a fixed number of queries for any number of questions."""

from collections.abc import Collection, Mapping
from datetime import datetime

from entitlements.balances.selectors import amounts
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.decisions.selectors import current_facts
from entitlements.decisions.selectors.facts_at import FactsInContext
from entitlements.resolution import explanation
from entitlements.resolution.decision import CustomerEntitlements, Decision, Question
from entitlements.resolution.evaluation_context import EvaluationContext, build_context
from entitlements.resolution.explanation import Explanation
from entitlements.resolution.facts import FeatureDefinition
from projects.models import Project


def check(*, project: Project, user_id: str, feature: str, at: datetime) -> Decision:
    """The decision for one user and feature. One query, and those for its amounts."""
    question = Question(user_id, feature)
    return check_many(project=project, questions=[question], at=at)[question]


def check_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Decision]:
    """Decisions for many questions: as many queries for a thousand as for one."""
    static_decisions = decide_static_many(project=project, questions=questions, at=at)
    return amounts.complete_decisions(
        project_id=project.pk, static_decisions=static_decisions, context=build_context(at)
    )


def decide_static_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, StaticDecision]:
    """Static decisions for many questions. One query."""
    facts = current_facts.read(project=project, questions=questions, at=at)
    return {question: facts.decide(question) for question in questions}


def explain_many(
    *, project: Project, questions: Collection[Question], context: EvaluationContext
) -> dict[Question, Explanation]:
    """Decisions in any evaluation context, with their explanations. Four queries, and those for
    amounts."""
    facts, definitions = _gather_facts(project, questions, context)
    return _explain(facts, {question: definitions.get(question.feature) for question in questions})


def by_feature(*, project: Project, user_id: str, at: datetime) -> dict[str, Decision]:
    """Every decision about one user, by feature code."""
    return dict(entitlements_of(project=project, user_id=user_id, at=at).decisions)


def entitlements_of(*, project: Project, user_id: str, at: datetime) -> CustomerEntitlements:
    """Every decision about one user, and the version that they belong to."""
    return entitlements_of_many(project=project, user_ids={user_id}, at=at)[user_id]


def entitlements_of_many(
    *, project: Project, user_ids: Collection[str], at: datetime
) -> dict[str, CustomerEntitlements]:
    """Every decision about each user, by the user_id that was asked for: as many queries for a
    hundred users as for one."""
    facts = FactsInContext(project=project, user_ids=user_ids, context=build_context(at))
    static_decisions = {
        question: facts.decide(question, definition)
        for user_id in user_ids
        for question, definition in _all_questions(facts, user_id).items()
    }
    decisions = amounts.complete_decisions(
        project_id=project.pk, static_decisions=static_decisions, context=facts.context
    )
    by_user: dict[str, dict[str, Decision]] = {user_id: {} for user_id in user_ids}
    for question, decision in decisions.items():
        by_user[question.user_id][question.feature] = decision
    return {user_id: _build_entitlements(facts, user_id, by_user[user_id]) for user_id in user_ids}


def explain_all(
    *, project: Project, user_id: str, context: EvaluationContext
) -> tuple[CustomerEntitlements, dict[str, Explanation]]:
    """Every decision about one user in any evaluation context, and the explanations by feature
    code."""
    facts = FactsInContext(project=project, user_ids={user_id}, context=context)
    explanations = {
        question.feature: explanation
        for question, explanation in _explain(facts, _all_questions(facts, user_id)).items()
    }
    decisions = {code: question.decision for code, question in explanations.items()}
    return _build_entitlements(facts, user_id, decisions), explanations


def _gather_facts(
    project: Project, questions: Collection[Question], context: EvaluationContext
) -> tuple[FactsInContext, dict[str, FeatureDefinition]]:
    user_ids = {question.user_id for question in questions}
    facts = FactsInContext(project=project, user_ids=user_ids, context=context)
    return facts, facts.definitions({question.feature for question in questions})


def _all_questions(facts: FactsInContext, user_id: str) -> dict[Question, FeatureDefinition]:
    return {
        Question(user_id, code): definition
        for code, definition in facts.definitions_about(user_id).items()
    }


def _explain(
    facts: FactsInContext, definitions: Mapping[Question, FeatureDefinition | None]
) -> dict[Question, Explanation]:
    static_decisions = {
        question: facts.decide(question, definition) for question, definition in definitions.items()
    }
    amounts_by_question = amounts.read_amounts(
        project_id=facts.project.pk, static_decisions=static_decisions, context=facts.context
    )
    return {
        question: explanation.explain(
            facts.facts(question),
            feature=question.feature,
            definition=definition,
            at=facts.context.at,
            version=facts.customers[question.user_id].version,
            amounts=amounts_by_question[question],
            ended_sources=facts.customers[question.user_id].ended_sources,
        )
        for question, definition in definitions.items()
    }


def _build_entitlements(
    facts: FactsInContext, user_id: str, decisions: Mapping[str, Decision]
) -> CustomerEntitlements:
    customer = facts.customers[user_id]
    return CustomerEntitlements(
        user_id=customer.customer.user_id if customer.customer else user_id,
        customer_id=customer.customer_id,
        version=customer.version,
        decisions=decisions,
    )
