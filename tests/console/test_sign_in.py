"""Operators configure a project's user sign-in without seeing its secret."""

from django.test import Client

from events.models import AuditEntry
from projects.models import JwtSettings
from projects.sign_in.jwt_settings import shared_secret
from tests.console.dialogs import send, was_done
from tests.console.world import World

SECRET = "a-secret-of-more-than-32-bytes-for-tests"
SAID = {"issuer": "https://id.example.com/", "audience": "app"}


def test_an_operator_sets_changes_and_removes_the_sign_in(world: World, operator: Client) -> None:
    page = f"/admin/projects/project/{world.project.pk}"
    dialog = f"{page}/sign-in/"
    rows = JwtSettings.objects.for_project(world.project)

    assert was_done(send(operator, dialog, shared_secret=SECRET, **SAID))
    assert shared_secret(rows.get()) == SECRET
    for address in (dialog, f"{page}/change/"):
        html = operator.get(address).content.decode()
        assert SECRET not in html
        assert SAID["issuer"] in html
    assert "a shared secret" in html

    assert was_done(send(operator, dialog, **{**SAID, "audience": "other"}))
    assert (rows.get().audience, shared_secret(rows.get())) == ("other", SECRET)
    keys = {"jwks_url": "https://id.example.com/keys"}
    for wrong, why in (
        ({**SAID, "jwks_url": "http://id.example.com/keys"}, "Use https"),
        ({**SAID, **keys, "shared_secret": SECRET}, "not both"),
        ({"shared_secret": SECRET}, "iss and aud"),
    ):
        assert why in send(operator, dialog, **wrong).text
    assert was_done(send(operator, dialog, **keys, **SAID))
    assert (rows.get().jwks_url, rows.get().shared_secret) == (keys["jwks_url"], "")
    assert was_done(send(operator, dialog))
    assert not rows.exists()
    entries = AuditEntry.objects.filter(action="project.sign_in")
    assert entries.count() == 4
    assert not any(SECRET in str([each.before, each.after]) for each in entries)
