"""The pages that people see: hosted checkout, 3-D Secure, invoices. No scripts, no other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from sandbox.errors import StripeFailure
from sandbox.pages import authentication, checkout, invoice
from sandbox.pages.rendering import render

if TYPE_CHECKING:
    from sandbox.world import World

PAGES = Map(
    [
        Rule("/pages/checkout/<id>", methods=["GET"], endpoint=checkout.show),
        Rule("/pages/checkout/<id>", methods=["POST"], endpoint=checkout.submit),
        Rule("/pages/3ds/<id>", methods=["GET"], endpoint=authentication.show),
        Rule("/pages/3ds/<id>", methods=["POST"], endpoint=authentication.submit),
        Rule("/pages/invoices/<id>", methods=["GET"], endpoint=invoice.show),
        Rule("/pages/invoices/<id>/pdf", methods=["GET"], endpoint=invoice.download),
    ],
    strict_slashes=False,
)


def respond(world: World, request: Request) -> Response:
    """The page for a request under ``/pages/``; 404 pages for what is not there."""
    try:
        page, ids = PAGES.bind("sandbox").match(request.path, method=request.method)
        response: Response = page(world, request, **ids)
    except (NotFound, RequestRedirect):
        return _missing()
    except MethodNotAllowed as refused:
        return Response("This page does not take that.", 405, refused.get_headers())
    except StripeFailure as failure:
        if failure.status == 404:
            return _missing()
        title = "This cannot be completed"
        return render("message.html", status=failure.status, title=title, text=failure.message)
    return response


def _missing() -> Response:
    return render(
        "message.html",
        status=404,
        title="There is nothing here",
        text="Check the link, or go back to where you came from and start again.",
    )
