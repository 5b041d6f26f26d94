"""The page behind *Unsubscribe*, and the one click of mail programs (RFC 8058).

GET only shows the page, because scanners fetch every link of a mail. POST acts, without a login or
a cookie: the signed token says who, which kind of message, and whose.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from common.errors import NotFound
from delivery.mail import formats, opt_outs
from delivery.mail.opt_outs import OptOutToken
from projects.models import Customer, Project


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    try:
        parsed = opt_outs.parse(token)
    except NotFound:
        raise Http404 from None
    if request.method == "POST":
        opt_outs.record(parsed, at=timezone.now())
    project = Project.objects.filter(pk=parsed.project_id).first()
    values = {
        "project": formats.clean(project.name) if project else "",
        "kind": parsed.kind,
        "is_done": request.method == "POST",
        "language": _language(parsed),
    }
    response = render(request, "mail/unsubscribe.html", values)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def _language(token: OptOutToken) -> str:
    customer = Customer.objects.for_project(token.project_id).filter(pk=token.recipient).first()
    return formats.language_of(customer.locale if customer else "")
