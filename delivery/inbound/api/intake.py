"""``POST /api/v1/events/inbound``: a plain view, because the signature covers the raw body."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from common import standard_webhooks
from delivery.inbound import intake
from delivery.inbound.api import messages
from delivery.inbound.users import MessageResult
from webhooks.errors import EventTooLarge

PROJECT_HEADER = "Tollgate-Project"


@csrf_exempt
@require_POST
def receive(request: HttpRequest, project_id: str = "") -> HttpResponse:
    """The project is in the address, or in the header ``Tollgate-Project``; its secret decides."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body, now = _body(request), timezone.now()
    project = intake.verify(
        project_id=project_id or request.headers.get(PROJECT_HEADER, ""),
        headers=headers,
        body=body,
        at=now,
    )
    message = messages.parse_request(body)
    if message is None:
        result = MessageResult.IGNORED
    else:
        result = intake.accept(
            project=project,
            webhook_id=headers[standard_webhooks.ID],
            message=message,
            at=now,
        )
    return JsonResponse({"result": result.value})


def _body(request: HttpRequest) -> bytes:
    """The raw bytes, up to the limit; a larger body is not read to its end."""
    body = request.read(intake.MAX_BODY + 1)
    if len(body) > intake.MAX_BODY:
        raise EventTooLarge(f"Send at most {intake.MAX_BODY} bytes.")
    return body
