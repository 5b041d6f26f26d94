"""The messages that an auth service sends, as they are published in ``/api/events-schema``."""

from typing import Annotated, Literal, NotRequired, TypedDict

from common.bodies import Time, UserId


class UserStateBody(TypedDict):
    """What the auth service knows of a user. Members that are absent keep their stored values; null
    and the empty text remove them."""

    user_id: UserId
    version: Annotated[
        int,
        "Rises with every change of this user, from 0. Without a counter of your own: the time of "
        "the change in milliseconds.",
    ]
    email: NotRequired[str | None]
    name: NotRequired[str | None]
    locale: NotRequired[Annotated[str | None, "A BCP 47 tag such as `de-AT`."]]


class UserMessageBody(TypedDict):
    """One change of a user at the auth service. Members that are not named here are ignored, as are
    messages of other types."""

    type: Literal["user.created", "user.updated", "user.deleted"]
    timestamp: Annotated[Time, "When the change happened. It does not decide the order."]
    id: NotRequired[
        Annotated[str, "The same for all copies. Needed in a stream; over HTTP `webhook-id` is it."]
    ]
    project: NotRequired[
        Annotated[str, "Id or slug of the project. Needed in a stream, ignored over HTTP."]
    ]
    data: UserStateBody
