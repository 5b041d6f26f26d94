"""``/apps`` adds, renames and lists apps of a project."""

from events.models import AuditEntry
from projects.models import App, Project
from tests.api_client import ApiClient
from tests.factories.projects import AppFactory


def test_an_app_is_added_renamed_and_listed(api: ApiClient, project: Project) -> None:
    response = api.post(f"/projects/{project.pk}/apps", {"name": "Mobile App"})

    assert (response.status_code, response.json()["slug"]) == (201, "mobile-app")
    path = f"/projects/{project.pk}/apps/{response.json()['id']}"
    assert api.patch(path, {"name": "Mobile"}).json()["name"] == "Mobile"
    assert api.get(path).json()["slug"] == "mobile-app"
    assert [row["name"] for row in api.get(f"/projects/{project.pk}/apps").json()["data"]] == [
        "Mobile"
    ]
    entry = AuditEntry.objects.filter(action="app.change").get()
    assert (entry.before["name"], entry.after["name"]) == ("Mobile App", "Mobile")


def test_a_slug_is_used_once_per_project(
    api: ApiClient, project: Project, other_project: Project
) -> None:
    AppFactory.create(project=other_project, slug="mobile")

    assert api.post(f"/projects/{project.pk}/apps", {"name": "Mobile"}).status_code == 201
    again = api.post(f"/projects/{project.pk}/apps", {"name": "Mobile"})
    assert (again.status_code, again.json()["code"]) == (409, "app-exists")
    assert App.objects.for_project(project).count() == 1


def test_a_neighbours_app_is_not_found(
    api: ApiClient, project: Project, other_project: Project
) -> None:
    app = AppFactory.create(project=other_project)

    assert api.get(f"/projects/{project.pk}/apps/{app.pk}").status_code == 404
    assert api.patch(f"/projects/{project.pk}/apps/{app.pk}", {"name": "x"}).status_code == 404
    assert api.get(f"/projects/{other_project.pk}/apps").status_code == 404
