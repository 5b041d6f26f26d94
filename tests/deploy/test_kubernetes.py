"""The manifests are valid, agree with each other, with the settings and with compose."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.utils import timezone

from config.metrics.view import collect
from config.schedule import LANES
from tests.config.test_deployment import compose, settings_variables
from tests.config.test_production import COMPLETE
from tests.deploy.kustomize import Resource, all_containers, documents, find, pod_of
from tests.deploy.manifests import FOLDER, container, environment, of_kind
from tests.deploy.schema_check import validate_resource
from tests.services import ROOT

VERSIONS = ("1.33", "latest")
SECRET = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "STRIPE_SECRET_KEY",
          "STRIPE_WEBHOOK_SECRETS"}  # fmt: skip
OUTSIDE_SETTINGS = {"DJANGO_SETTINGS_MODULE", "LIVENESS_FILE"}
OURS = {"web", "worker", "relay", "beat", "deliver", "rpc"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_valid(resources: list[Resource], version: str) -> None:
    for resource in resources:
        validate_resource(resource, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_before_it_is_rendered(version: str) -> None:
    for file in [*FOLDER.glob("base/*.yaml"), *FOLDER.glob("components/*/*.yaml")]:
        if file.name == "kustomization.yaml":
            continue
        for resource in documents(file):
            validate_resource(resource, version)
    (secret,) = documents(FOLDER / "examples" / "secrets.yaml")
    validate_resource(secret, version)


def test_the_schemas_refuse_a_mistake(base: list[Resource]) -> None:
    web = find(base, "Deployment", "web")
    container(web)["readinesProbe"] = container(web).pop("readinessProbe")
    with pytest.raises(ValueError, match="readinesProbe"):
        validate_resource(web, VERSIONS[0])


def test_every_file_is_part_of_the_base() -> None:
    (kustomization,) = documents(FOLDER / "base" / "kustomization.yaml")
    files = {file.name for file in FOLDER.glob("base/*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files


def test_every_variable_is_one_of_the_settings(resources: list[Resource]) -> None:
    variables = settings_variables() | OUTSIDE_SETTINGS
    assert set(environment(resources)) <= variables
    for each in all_containers(resources):
        assert {variable["name"] for variable in each.get("env", [])} <= variables


def test_every_required_variable_is_there_and_no_secret_is_in_a_config_map(
    resources: list[Resource],
) -> None:
    assert set(COMPLETE) <= set(environment(resources))
    for config_map in of_kind(resources, "ConfigMap").values():
        assert not SECRET & set(config_map["data"])
    assert not of_kind(resources, "Secret")
    (secret,) = documents(FOLDER / "examples" / "secrets.yaml")
    assert set(secret["stringData"]) >= SECRET
    assert all(re.fullmatch(r"<.+>", value) for value in secret["stringData"].values())


def test_production_starts_with_these_settings(resources: list[Resource]) -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment(resources)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_every_container_of_ours_gets_settings_and_secrets(resources: list[Resource]) -> None:
    for each in all_containers(resources):
        names = [next(iter(source.values()))["name"] for source in each.get("envFrom", [])]
        expected = [] if each["name"] == "proxy" else ["tollgate-settings", "tollgate-secrets"]
        assert names == expected, each["name"]


def test_every_image_has_a_fixed_version(resources: list[Resource]) -> None:
    version = re.search(
        r'^VERSION = "(.+)"', (ROOT / "config/settings/base.py").read_text(), re.MULTILINE
    )
    assert version is not None
    for each in all_containers(resources):
        name, _, tag = each["image"].rpartition(":")
        assert re.search(r"\d+\.\d+", tag), each["image"]
        if name.endswith("tollgate"):
            assert tag == settings.VERSION


def test_every_container_is_confined(resources: list[Resource]) -> None:
    for resource in resources:
        pod = pod_of(resource)
        if pod is None:
            continue
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "a Service would set variables such as WEB_PORT"
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        one = container(resource)
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(one["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]
        mounted = {volume["name"] for volume in one["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}
        assert {"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"]


def test_every_container_that_stays_has_probes(resources: list[Resource]) -> None:
    for name, deployment in of_kind(resources, "Deployment").items():
        one = container(deployment)
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(one), name
        liveness = one["livenessProbe"]
        if "exec" in liveness:
            assert liveness["exec"]["command"] == ["python", "deploy/healthcheck.py"]
            assert {"name": "LIVENESS_FILE", "value": "/tmp/alive"} in one["env"]


def test_a_full_server_is_not_killed(base: list[Resource]) -> None:
    """gRPC's probe is a call like others, and refused when the process has as many as it may."""
    rpc = container(find(base, "Deployment", "rpc"))
    assert "exec" in rpc["livenessProbe"]
    assert "grpc" in rpc["readinessProbe"]


def test_nothing_keeps_a_volume(resources: list[Resource]) -> None:
    """The database has beat's times; a volume would hold a pod to its zone."""
    assert not of_kind(resources, "PersistentVolumeClaim")
    assert "--schedule" not in container(find(resources, "Deployment", "beat"))["command"]


def test_every_process_of_compose_is_there_with_its_command(base: list[Resource]) -> None:
    services = compose()["services"]
    deployments = of_kind(base, "Deployment")
    assert set(deployments) == OURS | {"proxy"}
    for name in ("worker", "beat", "deliver"):
        assert container(deployments[name])["command"] == services[name]["command"]
    assert "command" not in container(deployments["web"]), "the image's own"
    job = container(of_kind(base, "Job")["migrate"])["command"]
    assert job[:3] == services["migrate"]["command"]


def test_workers_poll_every_lane_once(resources: list[Resource]) -> None:
    lanes = [
        lane
        for each in all_containers(resources)
        for variable in each.get("env", [])
        if variable["name"] == "WORKER_LANES"
        for lane in variable["value"].split(",")
    ]
    assert sorted(lanes) == sorted(LANES)


@pytest.mark.django_db
def test_autoscalers_know_their_deployments_and_figures(resources: list[Resource]) -> None:
    deployments = of_kind(resources, "Deployment")
    scaled = of_kind(resources, "HorizontalPodAutoscaler")
    for name, deployment in deployments.items():
        assert (name in scaled) != ("replicas" in deployment["spec"]), "one of them decides"
    figures = {family.name for family in collect(timezone.now())}
    rules = (FOLDER / "examples" / "prometheus-adapter.yaml").read_text()
    ways = (ROOT / "delivery" / "ways_out.py").read_text()
    for name, scaler in scaled.items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert name in deployments
        metrics = scaler["spec"]["metrics"]
        assert [each["resource"]["name"] for each in metrics if "resource" in each] == ["cpu"]
        for metric in (each["external"]["metric"] for each in metrics if "external" in each):
            assert metric["name"] in figures
            assert metric["name"] in rules
            assert f'name="{metric["selector"]["matchLabels"]["way"]}"' in ways
    assert scaled["deliver"]["spec"]["metrics"][1]["type"] == "External"


def test_a_second_beat_is_never_started_beside_the_first(resources: list[Resource]) -> None:
    beat = find(resources, "Deployment", "beat")["spec"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
    assert "beat" not in of_kind(resources, "PodDisruptionBudget"), "it would stop every drain"
    assert set(of_kind(resources, "PodDisruptionBudget")) == (OURS - {"beat"}) | {"proxy"}


def test_processes_may_finish_their_work_before_they_are_killed(base: list[Resource]) -> None:
    """No shorter than compose allows, plus the pause before a server stops to listen."""
    services = compose()["services"]
    for name, deployment in of_kind(base, "Deployment").items():
        seconds = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        pause = container(deployment).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        grace = str(services.get(name, {}).get("stop_grace_period", "10s")).rstrip("s")
        assert seconds >= int(grace) + pause.get("seconds", 0), name
    dockerfile = (ROOT / "Dockerfile").read_text()
    kill_timeout = re.search(r"GRANIAN_WORKERS_KILL_TIMEOUT=(\d+)", dockerfile)
    assert kill_timeout is not None
    web = find(base, "Deployment", "web")["spec"]["template"]["spec"]
    assert web["terminationGracePeriodSeconds"] >= int(kill_timeout[1]) + 5


def test_examples_name_what_the_manifests_use() -> None:
    (external,) = documents(FOLDER / "examples" / "external-secret.yaml")
    assert external["spec"]["target"]["name"] == "tollgate-secrets"
    assert yaml.safe_load((FOLDER / "examples" / "prometheus-adapter.yaml").read_text())["rules"]
    assert not list(Path(FOLDER).rglob("*.yml"))
