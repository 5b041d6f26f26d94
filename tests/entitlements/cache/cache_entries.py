"""Store and find decisions in the cache."""

import json
from datetime import timedelta

from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import service as cache
from entitlements.cache.local import local_cache
from entitlements.resolution.decision import Decision, Question
from entitlements.resolution.facts import Reason
from projects.models import Customer
from tests.factories.entitlements import NOW

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
TTL = 30 * SECOND
OURS = "prj_ours"
ADA = Question("ada", "sso")


def decision(version=1, feature="sso", **kwargs):
    return Decision(
        feature=feature,
        allowed=True,
        reason=Reason.ENTITLED,
        value=True,
        version=version,
        **kwargs,
    )


def keep(question=ADA, project_id=OURS, at=NOW, rules=0, **kwargs):
    static_decision = StaticDecision(None, decision(feature=question.feature, **kwargs))
    cache.keep(
        project_id=project_id,
        static_decisions={question: static_decision},
        rules=rules,
        at=at,
        begun=local_cache.begin_read(),
    )


def find(question=ADA, project_id=OURS, at=NOW):
    """Find answers as another process does, which has no local copies yet."""
    local_cache.drop_all()
    encoded = cache.find(project_id=project_id, questions=[question], at=at).ready.get(question)
    return encoded and json.loads(encoded)


def key(project_id=OURS, user_id="ada"):
    return cache.key(project_id=project_id, user_id=user_id)


def ada(project_id=OURS):
    return Customer(id="cus_ada", project_id=project_id, user_id="ada")
