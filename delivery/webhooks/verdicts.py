"""What a result of the sender means for the delivery and for its endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus

from delivery.sender.messages import SendFault, SendResult
from delivery.webhooks import schedule

ASKS_FOR_DISABLING = ("webhook-delivery", "disable")
ASKS_FOR_AN_END = ("webhook-abort-message", "true")
"""Headers of Svix' receivers (https://docs.svix.com/receiving/using-app-portal/disabling): send
nothing more here, and do not send this message again."""
_SLOW_DOWN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_LOST = frozenset({SendFault.SENDER_LOST, SendFault.INTERNAL_ERROR})
"""Not the receiver's fault, as far as anybody knows. It counts as an attempt: a response that kills
our sender must not be fetched again and again."""
_NOT_SENT = frozenset({SendFault.OVERLOADED, SendFault.CANCELED})


class Verdict(Enum):
    DELIVERED = "a status of 2xx"
    REFUSED = "another answer of a receiver that works"
    FAILED = "the receiver's network or server does not work"
    GONE = "the receiver wants nothing more"
    FORBIDDEN = "the address is not allowed"
    HOPELESS = "the request cannot be sent, or the receiver wants no repetition"
    LOST = "the request may have arrived; the sender ended"
    NOT_SENT = "our sender had no room"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``pause``: what the receiver demands before anything else is sent to it."""

    verdict: Verdict
    sentence: str
    pause: timedelta | None = None


def judge(result: SendResult, *, at: datetime) -> Judgement:
    """The meaning of a result. A status counts, whatever happened to the rest of the response."""
    if result.status is None:
        return Judgement(_of_fault(result.fault), result.sentence)
    sentence = f"The receiver answered {result.status}."
    header = result.headers.get
    name, value = ASKS_FOR_DISABLING
    if result.status == HTTPStatus.GONE or header(name, "").lower() == value:
        return Judgement(Verdict.GONE, sentence)
    if HTTPStatus.OK <= result.status < HTTPStatus.MULTIPLE_CHOICES:
        return Judgement(Verdict.DELIVERED, "")
    name, value = ASKS_FOR_AN_END
    if header(name, "").lower() == value:
        return Judgement(Verdict.HOPELESS, sentence)
    return _of_failure(result, sentence, at)


def _of_failure(result: SendResult, sentence: str, at: datetime) -> Judgement:
    assert result.status is not None
    pause = schedule.parse_retry_after(result.headers.get("retry-after", ""), at=at)
    if result.status in _SLOW_DOWN:
        return Judgement(Verdict.FAILED, sentence, pause)
    if result.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Judgement(Verdict.FAILED, sentence)
    if HTTPStatus.MULTIPLE_CHOICES <= result.status < HTTPStatus.BAD_REQUEST:
        sentence = f"{sentence} Redirects are not followed: change the endpoint's URL."
    return Judgement(Verdict.REFUSED, sentence)


def _of_fault(fault: SendFault | None) -> Verdict:
    if fault is SendFault.REFUSED_ADDRESS:
        return Verdict.FORBIDDEN
    if fault is SendFault.BAD_JOB:
        return Verdict.HOPELESS
    if fault in _LOST:
        return Verdict.LOST
    return Verdict.NOT_SENT if fault in _NOT_SENT else Verdict.FAILED
