"""The auth service learns from the log what a user may do after a purchase and after its end."""

from tests.billing import outbox_events
from tests.scenarios.story import Story


def permissions(story: Story) -> list[list[str]]:
    """The set in each event so far, in order."""
    events = outbox_events.events(story.project, "user.permissions_changed")
    assert {event.data["user_id"] for event in events} <= {"alice"}
    return [event.data["permissions"] for event in events]


def test_a_purchase_gives_permissions_and_the_end_of_it_takes_them(story: Story) -> None:
    price = story.sells("Pro", 2900, interval="month", features={"sso": True, "seats": 5})
    story.put(
        f"/projects/{story.project.pk}/permission-map",
        {
            "features": [
                {"feature": "sso", "permissions": ["sso.use"]},
                {"feature": "seats", "permissions": ["team.invite", "sso.use"]},
            ]
        },
    )
    story.process_everything()
    assert permissions(story) == []
    story.buys(price)
    assert permissions(story) == [["sso.use", "team.invite"]]
    assert story.events().count("user.permissions_changed") == 1
    story.advance(days=40)
    assert story.events().count("user.permissions_changed") == 0
    path = f"/subscriptions/alice/{price['product']}"
    story.patch(path, {"cancel_at_period_end": True})
    story.process_everything()
    assert len(permissions(story)) == 1
    story.advance(days=40)
    assert permissions(story) == [["sso.use", "team.invite"], []]
    assert story.payload("user.permissions_changed")["permissions"] == []
