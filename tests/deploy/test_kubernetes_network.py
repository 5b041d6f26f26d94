"""Services, probes, Ingress and network policies reach what exists; nothing else is open."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.config.test_deployment import compose
from tests.deploy.kustomize import Resource, find, pod_of
from tests.deploy.manifests import component, container, environment, of_kind
from tests.services import ROOT

PRIVATE = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
           "fc00::/7", "fe80::/10"}  # fmt: skip


def test_every_selector_selects(resources: list[Resource]) -> None:
    deployments = of_kind(resources, "Deployment")
    pods = {name: pod_of(one) for name, one in deployments.items()}
    for name, deployment in deployments.items():
        pod = pods[name]
        assert pod is not None
        assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
        for spread in pod["spec"].get("topologySpreadConstraints", []):
            assert spread["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]
    for service in of_kind(resources, "Service").values():
        (port,) = service["spec"]["ports"]
        target = container(deployments[service["spec"]["selector"]["app.kubernetes.io/component"]])
        assert target["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    for budget in of_kind(resources, "PodDisruptionBudget").values():
        assert component(budget) == budget["metadata"]["name"]
        labels = budget["spec"]["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] in deployments
    rule = find(resources, "Ingress", "tollgate")["spec"]["rules"][0]["http"]["paths"][0]
    service = rule["backend"]["service"]
    (port,) = of_kind(resources, "Service")[service["name"]]["spec"]["ports"]
    assert service["port"]["name"] == port["name"]


def test_every_network_policy_names_pods_that_exist(resources: list[Resource]) -> None:
    components = {component(one) for one in resources if pod_of(one) is not None}
    for policy in of_kind(resources, "NetworkPolicy").values():
        for selector in _pod_selectors(policy):
            labels = selector.get("matchLabels", {})
            named = {labels.get("app.kubernetes.io/component")} - {None}
            for expression in selector.get("matchExpressions", []):
                named |= set(expression["values"])
            assert named <= components, policy["metadata"]["name"]


def _pod_selectors(value: Any) -> Iterator[Resource]:
    if isinstance(value, dict):
        if "podSelector" in value:
            yield value["podSelector"]
        for inner in value.values():
            yield from _pod_selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pod_selectors(inner)


def test_nothing_is_open_that_no_policy_opens(resources: list[Resource]) -> None:
    policies = of_kind(resources, "NetworkPolicy")
    closed = policies["default-deny"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies.values():
        for way in policy["spec"].get("egress", []):
            for target in way.get("to", []):
                block = target.get("ipBlock", {})
                if block.get("cidr") in ("0.0.0.0/0", "::/0"):
                    private = {one for one in PRIVATE if (":" in one) == (":" in block["cidr"])}
                    assert set(block["except"]) == private, "metadata services and neighbours"
    internet = {name for name, one in policies.items() if "0.0.0.0/0" in str(one)}
    assert internet == {"stripe", "receivers", "mail"}
    reached = {str(_pods_of(policies[name])) for name in internet}
    assert not any("beat" in each or "relay" in each for each in reached)


def _pods_of(policy: Resource) -> Any:
    return policy["spec"]["podSelector"]


def test_the_ingress_serves_the_public_address_over_tls(resources: list[Resource]) -> None:
    ingress = find(resources, "Ingress", "tollgate")["spec"]
    host = environment(resources)["PUBLIC_URL"].removeprefix("https://")
    assert [rule["host"] for rule in ingress["rules"]] == [host]
    assert [tls["hosts"] for tls in ingress["tls"]] == [[host]]
    assert host in environment(resources)["ALLOWED_HOSTS"].split(",")


def test_the_proxy_has_the_files_of_compose(base: list[Resource]) -> None:
    data = find(base, "ConfigMap", "proxy")["data"]
    for key, file in {
        "nginx.conf": "nginx.conf",
        "tollgate-server.conf": "tollgate.conf",
        "server.conf": "kubernetes.conf",
    }.items():
        assert data[key] == (ROOT / "deploy" / "nginx" / file).read_text(), file
    image = container(find(base, "Deployment", "proxy"))["image"]
    assert image in str(compose()["services"]["proxy"]["image"])


def test_prometheus_may_use_the_name_of_the_service(resources: list[Resource]) -> None:
    """From its own namespace that is `web.<namespace>.svc`; another host is refused with 400."""
    service = find(resources, "Service", "web")["metadata"]
    name = f"web.{service['namespace']}.svc"
    assert name in environment(resources)["ALLOWED_HOSTS"].split(",")


def test_calls_of_grpc_are_spread_over_the_pods(resources: list[Resource]) -> None:
    """A client keeps one connection for all its calls: its name must have every pod's address."""
    assert find(resources, "Service", "rpc")["spec"]["clusterIP"] == "None"


def test_cert_manager_can_prove_the_host(resources: list[Resource]) -> None:
    """Its pod runs in this namespace, where nothing may connect to anything else."""
    annotations = find(resources, "Ingress", "tollgate")["metadata"]["annotations"]
    assert "cert-manager.io/cluster-issuer" in annotations
    solver = find(resources, "NetworkPolicy", "certificate")["spec"]
    assert solver["podSelector"] == {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}}
    assert solver["ingress"][0]["ports"] == [{"port": 8089}]


@pytest.mark.django_db
def test_probes_ask_for_addresses_that_answer(resources: list[Resource]) -> None:
    hosts = environment(resources)["ALLOWED_HOSTS"].split(",")
    web = container(find(resources, "Deployment", "web"))
    for probe, path in (("startupProbe", "/live"), ("livenessProbe", "/live"),
                        ("readinessProbe", "/ready")):  # fmt: skip
        request = web[probe]["httpGet"]
        assert request["path"] == path
        (header,) = request["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in hosts
        assert Client().get(path).status_code == 200
