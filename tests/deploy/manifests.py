"""Parts of the resources that the tests look at."""

from tests.config.test_production import COMPLETE
from tests.deploy.kustomize import Resource, documents, find, pod_of
from tests.services import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"


def of_kind(resources: list[Resource], kind: str) -> dict[str, Resource]:
    return {one["metadata"]["name"]: one for one in resources if one["kind"] == kind}


def component(resource: Resource) -> str:
    return str(resource["metadata"]["labels"]["app.kubernetes.io/component"])


def container(resource: Resource) -> Resource:
    pod = pod_of(resource)
    assert pod is not None
    (only,) = pod["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def environment(resources: list[Resource]) -> dict[str, str]:
    """The variables of all pods; the Secret's values are those of a complete production."""
    (secret,) = documents(FOLDER / "examples" / "secrets.yaml")
    settings: dict[str, str] = find(resources, "ConfigMap", "tollgate-settings")["data"]
    return {**{name: COMPLETE.get(name, "") for name in secret["stringData"]}, **settings}
