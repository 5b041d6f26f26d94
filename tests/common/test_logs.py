import pytest

from common.logs import redact


@pytest.mark.parametrize(
    "secret",
    [
        "tg_test_" + "aB1-_" * 8 + "xYz",
        "tg_live_" + "aB1-_" * 8 + "xYz",
        "tg_platform_" + "aB1-_" * 8 + "xYz",
        "sk_test_51H8abcdEFGH",
        "rk_live_51H8abcdEFGH",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
        "ada.lovelace+billing@example.co.uk",
        "Bearer abcdef123456",
    ],
)
def test_a_secret_never_reaches_a_line(secret: str) -> None:
    for place in (secret, f"text {secret} text", [secret], {"deep": [{"er": (secret,)}]}):
        assert secret not in str(redact(place))
        assert "[redacted]" in str(redact(place))


@pytest.mark.parametrize("harmless", ["cus_01j9zc3k5v8e4w2t7x6y5q4r3s", "GET /api/v1/customers", 7])
def test_what_is_harmless_stays(harmless: object) -> None:
    assert redact(harmless) == harmless
