"""``GET /events`` and ``GET /events/{id}``: the project's events, in the order of the log."""

from typing import Annotated, ClassVar, TypedDict

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.bodies import serializer_of
from common.api.serializers import StrictSerializer, UserIdField
from delivery.feed import service as feed
from delivery.feed.service import FeedFilter, FeedPage
from delivery.feed.waiting import ENVIRON_KEY, POLL_AFTER, POLL_HEADER, WaitRequest
from events import catalog, representation
from events.log import rendered
from events.representation import EventBody
from projects.customers import selectors as customers
from projects.keys.api.views import ProjectViewSet
from projects.keys.scopes import KeyScope

DEFAULT_LIMIT, MAX_LIMIT = 100, rendered.PAGE
JSON = "application/json"
MAX_WAIT = 30
"""Seconds."""


class FeedBody(TypedDict):
    """Events in the order of their positions."""

    data: list[EventBody]
    next: Annotated[str, "Send it as `after` to go on. It moves past events that you filter out."]
    has_more: Annotated[bool, "Whether there are later events already; the next page may be empty."]
    head: Annotated[int, "Position of the project's newest event."]
    oldest: Annotated[int, "Position of the oldest event that is kept."]


class FeedQuerySerializer(StrictSerializer):
    after = serializers.CharField(
        max_length=64,
        required=False,
        help_text="`next` of your last answer; absent: from the oldest event that is kept; "
        "`latest`: future events only.",
    )
    types = serializers.CharField(
        max_length=4000,
        required=False,
        help_text="Only these types, separated by commas; `payment.*` means all of a noun.",
    )
    customer = UserIdField(
        required=False, help_text="Only events of this user: your id, or our id of the customer."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Events per page."
    )
    wait = serializers.IntegerField(
        min_value=0,
        max_value=MAX_WAIT,
        default=0,
        help_text="Seconds to wait if the page would be empty; the answer comes as soon as there "
        "is an event.",
    )

    def validate_types(self, names: str) -> frozenset[str]:
        """The types that are named. Raises ValidationError for a name that fits none."""
        types: set[str] = set()
        for name in names.split(","):
            matching = catalog.matching(name)
            if not matching:
                raise serializers.ValidationError(
                    f"There is no event type {name[:64]!r}: see docs/events.md."
                )
            types |= matching
        return frozenset(types)


class EventsViewSet(ProjectViewSet):
    scopes: ClassVar[dict[str, str]] = {
        "read": KeyScope.EVENTS_READ,
        "retrieve": KeyScope.EVENTS_READ,
    }
    query = {"read": FeedQuerySerializer}

    @extend_schema(
        operation_id="events_list",
        summary="Read events in order",
        parameters=[FeedQuerySerializer],
        responses={200: serializer_of(FeedBody)},
    )
    def read(self, request: Request) -> HttpResponse:
        """Every change in your project, oldest first, for at least 30 days. Store `next` in the
        transaction that stores the events, and send it as `after`: you miss none and see none
        twice. Positions follow each other without a hole, and nothing is ever added before a
        position that you have seen.

        With `wait`, a page that would be empty comes as soon as there is an event, or empty after
        that many seconds. An empty answer with the header `Tollgate-Poll-After` tells you to ask
        again after that many seconds.

        410 ``events-expired`` if the next events have been deleted; ``oldest`` is a cursor of what
        is left.
        """
        query = self.query_values
        page = feed.read_page(
            project_id=self.calling_project.pk,
            after=query.get("after", ""),
            filters=FeedFilter(query.get("types", frozenset()), self._customer_id()),
            limit=query["limit"],
        )
        response = HttpResponse(self._body(page), content_type=JSON)
        if query["wait"] and not page.events and not page.has_more:
            self._let_wait(request, page)
            response[POLL_HEADER] = str(POLL_AFTER)
        return response

    @extend_schema(
        operation_id="events_retrieve",
        summary="Read one event",
        responses={200: serializer_of(EventBody)},
    )
    def retrieve(self, request: Request, event: str) -> Response:
        """One event, by its id."""
        row = feed.find(project_id=self.calling_project.pk, event_id=event)
        return Response(representation.event(row))

    def _customer_id(self) -> str:
        """Our id of the customer, or the unknown name itself, of which there is no event."""
        user_id: str = self.query_values.get("customer", "")
        if not user_id:
            return ""
        customer = customers.find(project=self.calling_project, user_id=user_id)
        return customer.pk if customer else user_id

    def _body(self, page: FeedPage) -> bytes:
        """A :class:`FeedBody` as JSON; PostgreSQL has rendered most of it."""
        return orjson.dumps(
            {
                "data": [orjson.Fragment(event.body) for event in page.events],
                "next": page.next,
                "has_more": page.has_more,
                "head": page.head,
                "oldest": page.oldest,
            }
        )

    def _let_wait(self, request: Request, page: FeedPage) -> None:
        request.META[ENVIRON_KEY] = WaitRequest(
            project_id=self.calling_project.pk,
            key_id=request.auth.key_id,  # type: ignore[union-attr]  # a key: the scope is one's
            position=page.position,
            seconds=self.query_values["wait"],
        )
