"""Hosted pages: checkout, 3-D Secure, invoices, portal. They load no scripts and no other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from sandbox.errors import StripeFailure
from sandbox.pages import authentication, checkout, invoice, portal, portal_card, portal_plans
from sandbox.pages.rendering import render_page

if TYPE_CHECKING:
    from sandbox.world import World

PORTAL = "/pages/portal/<secret>"
SUBSCRIPTION = f"{PORTAL}/subscriptions/<object_id>"
PAGES = Map(
    [
        Rule("/pages/checkout/<object_id>", methods=["GET"], endpoint=checkout.show),
        Rule("/pages/checkout/<object_id>", methods=["POST"], endpoint=checkout.submit),
        Rule("/pages/3ds/<object_id>", methods=["GET"], endpoint=authentication.show),
        Rule("/pages/3ds/<object_id>", methods=["POST"], endpoint=authentication.submit),
        Rule("/pages/invoices/<object_id>", methods=["GET"], endpoint=invoice.show),
        Rule("/pages/invoices/<object_id>/pdf", methods=["GET"], endpoint=invoice.download),
        Rule(PORTAL, methods=["GET"], endpoint=portal.home),
        Rule(f"{PORTAL}/card", methods=["GET"], endpoint=portal_card.show),
        Rule(f"{PORTAL}/card", methods=["POST"], endpoint=portal_card.submit),
        Rule(f"{PORTAL}/details", methods=["GET"], endpoint=portal.edit_details),
        Rule(f"{PORTAL}/details", methods=["POST"], endpoint=portal.save_details),
        Rule(f"{SUBSCRIPTION}/cancel", methods=["GET"], endpoint=portal.confirm_cancel),
        Rule(f"{SUBSCRIPTION}/cancel", methods=["POST"], endpoint=portal.cancel),
        Rule(f"{SUBSCRIPTION}/keep", methods=["POST"], endpoint=portal.undo_change),
        Rule(f"{SUBSCRIPTION}/plans", methods=["GET"], endpoint=portal_plans.show),
        Rule(f"{SUBSCRIPTION}/confirm", methods=["GET"], endpoint=portal_plans.confirm_page),
        Rule(f"{SUBSCRIPTION}/confirm", methods=["POST"], endpoint=portal_plans.confirm),
    ],
    strict_slashes=False,
)


def respond(world: World, request: Request) -> Response:
    """Respond to a request under ``/pages/``. Unknown addresses get a 404 page."""
    try:
        page, ids = PAGES.bind("sandbox").match(request.path, method=request.method)
        response: Response = page(world, request, **ids)
    except (NotFound, RequestRedirect):
        return _not_found_page()
    except MethodNotAllowed as refused:
        return Response("This page does not take that.", 405, refused.get_headers())
    except StripeFailure as failure:
        if failure.status == 404:
            return _not_found_page()
        over = failure.status == 410
        title = "This link has expired" if over else "This cannot be completed"
        return render_page("message.html", status=failure.status, title=title, text=failure.message)
    return response


def _not_found_page() -> Response:
    return render_page(
        "message.html",
        status=404,
        title="There is nothing here",
        text="Check the link, or go back to where you came from and start again.",
    )
