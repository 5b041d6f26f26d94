"""What ``kubectl kustomize`` would print for our overlays, in the part of its language they use.

Resources, components, namespace, images, and patches: strategic merges of plain mappings and JSON
patches that replace a value. A patch of what does not exist is a mistake. Anything else in a
``kustomization.yaml`` fails.
"""

from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

FIELDS = {"apiVersion", "kind", "namespace", "resources", "components", "images", "patches"}
WITHOUT_NAMESPACE = {"Namespace"}


def documents(path: Path) -> list[Any]:
    """The documents of a file, which the caller may change."""
    return deepcopy(_read(path))


@cache
def _read(path: Path) -> list[Any]:
    documents = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    return [one for one in documents if one is not None]


def render(folder: Path) -> list[Resource]:
    """The resources of a kustomization, or of a component."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    assert set(kustomization) <= FIELDS, f"{folder}: a field that these tests cannot apply"
    resources = list(_resources(folder, kustomization))
    for patch in kustomization.get("patches", []):
        _patch(resources, documents(folder / patch["path"]), patch.get("target"))
    for image in kustomization.get("images", []):
        _set_image(resources, image)
    if namespace := kustomization.get("namespace"):
        for resource in resources:
            if resource["kind"] not in WITHOUT_NAMESPACE:
                resource["metadata"]["namespace"] = namespace
    return resources


def _resources(folder: Path, kustomization: Resource) -> Iterable[Resource]:
    for name in (*kustomization.get("resources", []), *kustomization.get("components", [])):
        place = folder / name
        yield from render(place) if place.is_dir() else documents(place)


def _patch(resources: list[Resource], patches: list[Any], target: Resource | None) -> None:
    for patch in patches:
        if isinstance(patch, list):
            assert target is not None
            (resource,) = [one for one in resources if one["kind"] == target["kind"]]
            for operation in patch:
                _replace(resource, operation)
        else:
            _merge(find(resources, patch["kind"], patch["metadata"]["name"]), patch)


def find(resources: Iterable[Resource], kind: str, name: str) -> Resource:
    """The only resource of this kind and name."""
    (resource,) = [
        one for one in resources if (one["kind"], one["metadata"]["name"]) == (kind, name)
    ]
    return resource


def _replace(resource: Any, operation: Resource) -> None:
    assert operation["op"] == "replace"
    *way, last = operation["path"].strip("/").split("/")
    for step in way:
        resource = resource[int(step) if isinstance(resource, list) else step]
    key = int(last) if isinstance(resource, list) else last
    assert resource[key] is not None, operation
    resource[key] = operation["value"]


def _merge(resource: Resource, patch: Resource) -> None:
    """Lists would be merged by their elements' names: none of our patches has one."""
    for key, value in patch.items():
        assert not isinstance(value, list), "a list in a merge"
        if isinstance(value, dict):
            _merge(resource.setdefault(key, {}), value)
        else:
            resource[key] = deepcopy(value)


def _set_image(resources: list[Resource], image: Resource) -> None:
    changed = 0
    for container in all_containers(resources):
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"
            changed += 1
    assert changed, image


def pod_of(resource: Resource) -> Resource | None:
    """The template of a workload's pods; None for anything else."""
    template = resource.get("spec", {}).get("template")
    return template if resource["kind"] in ("Deployment", "Job") else None


def all_containers(resources: Iterable[Resource]) -> list[Resource]:
    pods = [pod for pod in map(pod_of, resources) if pod is not None]
    assert not any("initContainers" in pod["spec"] for pod in pods)
    return [container for pod in pods for container in pod["spec"]["containers"]]
