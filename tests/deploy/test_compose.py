"""The compose files are valid; processes that speak to a company join its network."""

from pathlib import Path
from typing import Any

import yaml

from tests.config.test_deployment import compose, example_variables
from tests.deploy.schema_check import mistakes
from tests.services import ROOT

COMPANY = ROOT / "deploy" / "compose.company.yml"


def test_every_compose_file_is_valid_and_the_schema_refuses_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text("services: {web: {image: x, restrat: always}}")
    refused = mistakes("vendor.compose-spec", ROOT / "docker-compose.yml", COMPANY, wrong)
    assert list(refused) == [wrong], refused
    assert "restrat" in refused[wrong]


def test_every_image_has_an_exact_version() -> None:
    images = {name: value for name, value in example_variables().items() if name.endswith("_IMAGE")}
    assert set(images) >= {"PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE", "NGINX_IMAGE"}
    for name, image in images.items():
        tag = image.partition(":")[2].partition("-")[0]
        assert tag.count(".") >= (1 if name == "POSTGRES_IMAGE" else 2), image


def test_processes_join_the_companys_network_and_keep_ours() -> None:
    company: dict[str, Any] = yaml.safe_load(COMPANY.read_text())
    assert company["networks"]["company"]["external"] is True
    assert company["networks"]["company"]["name"].startswith("${COMPANY_NETWORK:-")
    assert set(company["services"]) <= set(compose()["services"])
    for service in company["services"].values():
        assert {"default", "company"} == set(service["networks"])
    assert set(company["services"]) == {"worker", "proxy"}, "others speak to none of its services"
    ours = compose()["services"]
    assert "expose" not in ours["worker"], "what listens could be reached from there"
    assert "ports" not in ours["worker"]
