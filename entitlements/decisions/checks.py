"""Decide from the cache; read from the database what the cache does not hold."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from entitlements import representation
from entitlements.balances.selectors import amounts
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import partial
from entitlements.cache import service as cache
from entitlements.cache.codec import CacheEntry
from entitlements.cache.local import local_cache
from entitlements.decisions.selectors import current_facts, decisions
from entitlements.representation import ExplainedBody
from entitlements.resolution.decision import Decision, Question
from entitlements.resolution.evaluation_context import EvaluationContext, build_context
from projects.models import Project


def decision_bodies(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, bytes]:
    """Each question's decision as a JSON body, certain at ``at``.

    No query when the cache holds all of them. Decisions that depend on usage or credits are at most
    two seconds old. Do not call it in a transaction that changes facts: uncommitted decisions must
    not be cached.
    """
    questions = set(questions)
    cached = cache.find(project_id=project.pk, questions=questions, at=at)
    if len(cached.ready) == len(questions):
        return cached.ready
    static_decisions, entries = _decide_missing(project, questions, cached, at)
    bodies = {question: entry.body for question, entry in entries.items() if entry.is_whole}
    incomplete = {
        question: entry for question, entry in static_decisions.items() if question not in bodies
    }
    if incomplete:
        decisions = amounts.complete_decisions(
            project_id=project.pk, static_decisions=incomplete, context=build_context(at)
        )
        _keep_completed(project, incomplete, entries, decisions, at)
        bodies |= {
            question: representation.encode_decision(entry) for question, entry in decisions.items()
        }
    return cached.ready | bodies


def find_static_decision(*, project: Project, question: Question, at: datetime) -> StaticDecision:
    """The decision that follows from facts alone. No query when the cache holds it and it needs
    amounts."""
    entry = cache.find_static(project_id=project.pk, question=question, at=at)
    if entry is not None:
        return partial.decode(entry.body)
    return _decide_missing(project, [question], cache.CachedDecisions(), at)[0][question]


def decide_in_context(
    *, project: Project, questions: Sequence[Question], context: EvaluationContext, explain: bool
) -> dict[Question, ExplainedBody]:
    """Each question's decision as a response body: for another moment, with assumed facts, or
    explained. Never cached."""
    explanations = decisions.explain_many(project=project, questions=questions, context=context)
    if explain:
        return {key: representation.explained(each) for key, each in explanations.items()}
    return {key: representation.unexplained(each.decision) for key, each in explanations.items()}


def _decide_missing(
    project: Project, questions: Collection[Question], cached: cache.CachedDecisions, at: datetime
) -> tuple[dict[Question, StaticDecision], dict[Question, CacheEntry]]:
    """Static decisions for the questions that have no ready body, and their cache entries."""
    entries = {
        question: entry for question, entry in cached.static.items() if question not in cached.ready
    }
    static_decisions = {question: partial.decode(entry.body) for question, entry in entries.items()}
    missing = {
        question
        for question in questions
        if question not in cached.ready and question not in static_decisions
    }
    if missing:
        read_began = local_cache.begin_read()
        facts = current_facts.read(project=project, questions=missing, at=at)
        decided = {question: facts.decide(question) for question in missing}
        keepable = {
            question: static for question, static in decided.items() if _is_keepable(static)
        }
        entries |= cache.keep(
            project_id=project.pk,
            static_decisions=keepable,
            rules=facts.rules,
            at=at,
            begun=read_began,
        )
        static_decisions |= decided
    return static_decisions, entries


def _is_keepable(static: StaticDecision) -> bool:
    """Whether an invalidation exists for every change of the decision: not for amounts of unknown
    users."""
    return static.decision.is_whole or static.customer_id is not None


def _keep_completed(
    project: Project,
    static_decisions: Mapping[Question, StaticDecision],
    entries: Mapping[Question, CacheEntry],
    decisions: Mapping[Question, Decision],
    at: datetime,
) -> None:
    completed = {
        question: (entries[question], decisions[question])
        for question, static in static_decisions.items()
        if question in entries and not static.decision.is_whole
    }
    cache.keep_completed(project_id=project.pk, decisions=completed, at=at)
