"""No script, transaction or command names keys of several slots: a Redis Cluster refuses those.

One server that owns all slots refuses them as well as three do.
"""

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings
from redis import ConnectionError as RedisConnectionError
from redis import Redis, ResponseError

from billing.models import StripeAccount
from billing.stripe import budget
from billing.stripe.budget import Lane
from common import process_metrics, queue, redis
from common.process_metrics import MetricShipper
from devtools.embedded.valkey import server_program
from devtools.processes import free_port
from entitlements.cache import redis_store
from entitlements.cache import service as cache
from entitlements.cache.redis_store import VersionedHash
from projects.keys.credentials import ProjectCredential
from projects.limits import shared_counts
from projects.limits.callers import RequestKind
from projects.limits.limiter import Limiter
from projects.models import Project
from tests.factories.projects import CustomerFactory
from tests.waiting import PATIENCE, wait_until
from usage.totals import cache as totals_cache

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster."""
    port, home = free_port(), tmp_path_factory.mktemp("cluster")
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": home,
        "cluster-enabled": "yes",
        "cluster-port": free_port(),
    }
    command = [server_program(), *(f"--{name} {value}" for name, value in options.items())]
    with (home / "log").open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        wait_until(lambda: _owns_all_slots(url), (home / "log").read_text)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)


def _owns_all_slots(url: str) -> bool:
    """Give the server all slots; whether it serves them."""
    client = Redis.from_url(url, decode_responses=True)
    try:
        info: Any = client.execute_command("CLUSTER INFO")
        if info["cluster_slots_assigned"] == "0":
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    except RedisConnectionError:
        return False
    finally:
        client.close()
    return bool(info["cluster_state"] == "ok")


@pytest.fixture(autouse=True)
def client(cluster: str, settings: Settings) -> Iterator[Any]:
    """A client of the cluster, which the test's process uses. Nothing in the test may fail."""
    settings.REDIS_URL = cluster
    redis.breaker.close()
    yield redis.client()
    assert not redis.breaker.is_open
    redis.client().flushall()


def test_the_cluster_refuses_keys_of_several_slots(client: Any) -> None:
    with pytest.raises(ResponseError, match="same slot"):
        client.eval("return 1", 2, "one", "two")


@pytest.mark.django_db
def test_processes_add_up_the_limits_of_several_subjects(project: Project, client: Any) -> None:
    limiter = Limiter()
    for name in ("one", "two"):
        key = ProjectCredential(key_id=f"key_{name}", project=project, scopes=frozenset())
        assert limiter.take(limiter.quota_of(key, RequestKind.REQUESTS)) == 0.0
    shared_counts.exchange(limiter)
    keys = client.keys("limit:*")
    assert sorted(client.hget(key, "taken") for key in keys) == ["1", "1", "2"]


def test_cached_decisions_of_several_users_are_stored_together() -> None:
    hashes = [VersionedHash(f"p:prj_1:e:{name}", 2, MINUTE, ("sso", "yes")) for name in "abc"]
    assert redis_store.store(hashes) == [1, 1, 1]
    old = [VersionedHash(each.key, 1, MINUTE) for each in hashes[:2]]
    assert redis_store.store(old) == [0, 0]


@pytest.mark.django_db
def test_a_change_leaves_a_tombstone_for_both_names_of_a_customer(client: Any) -> None:
    customer = CustomerFactory.create()
    cache.invalidate(customer, version=7)
    names = [
        cache.key(project_id=customer.project_id, user_id=name)
        for name in (customer.user_id, customer.pk)
    ]
    assert [client.hgetall(name) for name in names] == [{"version": "7"}] * 2


def test_completed_decisions_of_several_names_are_forgotten(client: Any) -> None:
    names = ["ada", "cus_1"]
    for name in names:
        client.hset(totals_cache.key(project_id="prj_1", user_id=name), "calls", "3")
    totals_cache.forget(project_id="prj_1", names=names)
    assert client.keys("*") == []


def test_processes_add_up_their_counters(client: Any) -> None:
    assert MetricShipper().ship()
    assert process_metrics.read_figures(now=time.time()) is not None
    assert client.hlen(process_metrics.SUMS_KEY) > 0


def test_reads_from_stripe_are_counted_for_account_kind_and_project() -> None:
    account = StripeAccount(pk="acc_1")
    assert budget.take(account, Lane.BACKGROUND, kind="subscription") == 0.0
    budget.slow_down(account)
    assert 0.0 < budget.shares_left([account])["acc_1"] <= 1.0


def test_wake_ups_are_counted() -> None:
    queue.allow_wake_up("billing.sync")
    assert not queue.is_backed_up()
