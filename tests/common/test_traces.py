"""A caller's ``traceparent`` is read strictly; what is malformed is as if it were not there."""

import pytest
import structlog

from common import log_fields, traces

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "sent", "is_sampled"),
    [
        (GOOD, GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01", GOOD, True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", GOOD, True),
    ],
)
def test_a_parent_is_read_and_sent_on_in_version_0(
    header: str, sent: str, is_sampled: bool
) -> None:
    parent = traces.parse(header)
    assert parent is not None
    assert (str(parent), parent.is_sampled) == (sent, is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-",
        "00",
        TRACE,
        GOOD.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"{GOOD},{GOOD}",
        f" {GOOD}",
        f"{GOOD}\n",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{'٠' * 32}-{SPAN}-01",
        f"00-{'é' * 32}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\x00",
        "cc-" + "-".join([TRACE, SPAN, "01"]) + "-" + "x" * 500,
        "x" * 100_000,
        "'; DROP TABLE billing_payment; --",
        "${jndi:ldap://example.com/a}",
    ],
)
def test_a_malformed_parent_is_ignored(header: str) -> None:
    assert traces.parse(header) is None
    traces.begin(header)
    assert (traces.current(), traces.current_header()) == (None, "")


def test_a_stored_trace_is_continued_unless_the_work_has_its_own() -> None:
    traces.begin("")
    with traces.continued(GOOD):
        assert traces.current_header() == GOOD
        assert structlog.contextvars.get_contextvars()["trace_id"] == TRACE
        with traces.continued(f"00-{'a' * 32}-{SPAN}-01"):
            assert traces.current_header() == GOOD
    with traces.continued("damaged"):
        assert traces.current() is None
    assert "trace_id" not in structlog.contextvars.get_contextvars()


def test_log_lines_carry_ids_of_the_list_for_as_long_as_the_work_lasts() -> None:
    structlog.contextvars.clear_contextvars()
    log_fields.add(payment_id="pay_1", workflow_id="", shipment_id=None)
    with log_fields.scope(payment_id="pay_2", stripe_id="pi_2"):
        log_fields.add(workflow_id="order-" + "4" * 300)
        inside = structlog.contextvars.get_contextvars()
    assert inside == {
        "payment_id": "pay_2",
        "stripe_id": "pi_2",
        "workflow_id": ("order-" + "4" * 300)[:255],
    }
    assert structlog.contextvars.get_contextvars() == {"payment_id": "pay_1"}
    with pytest.raises(ValueError, match="No fields of log lines: card, name"):
        log_fields.add(payment_id="pay_3", name="Ada", card="4242")
    assert structlog.contextvars.get_contextvars() == {"payment_id": "pay_1"}
