"""Stripe's error responses. Code below a route raises ``StripeFailure``."""

from __future__ import annotations

from typing import Any

DOCS = "https://docs.stripe.com/error-codes#"
DASHBOARD_LOGS = "https://dashboard.stripe.com/test/logs/"


class StripeFailure(Exception):
    """An error response in Stripe's format.

    With ``keep_effects`` the changes made before the error are kept: a declined card leaves its
    payment intent and failed charge behind.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        error_type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keep_effects: bool = False,
        should_retry: bool | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.error_type = message, status, error_type
        self.code, self.param, self.details = code, param, details
        self.keep_effects, self.should_retry = keep_effects, should_retry

    def body(self, request_id: str) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.error_type}
        if self.code:
            error |= {"code": self.code, "doc_url": DOCS + self.code.replace("_", "-")}
        if self.param:
            error["param"] = self.param
        error |= {key: value for key, value in self.details.items() if value is not None}
        error["request_log_url"] = DASHBOARD_LOGS + request_id
        return {"error": error}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeFailure:
    """400 ``invalid_request_error``."""
    return StripeFailure(message, param=param, code=code)


def missing_param(param: str) -> StripeFailure:
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def empty_param(param: str) -> StripeFailure:
    return invalid(
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{param}' cannot be unset. You should remove '{param}' from "
        "your request or supply a non-empty value.",
        param=param,
        code="parameter_invalid_empty",
    )


def unknown_param(param: str) -> StripeFailure:
    return invalid(f"Received unknown parameter: {param}", param=param, code="parameter_unknown")


def no_such(
    noun: str, object_id: str, *, param: str = "id", in_path: bool = False
) -> StripeFailure:
    """``No such price: 'price_x'``: 404 for an id in the URL, 400 for one in a parameter."""
    return StripeFailure(
        f"No such {noun}: '{object_id}'",
        status=404 if in_path else 400,
        code="resource_missing",
        param=param,
    )


def refuse_unsupported(params: dict[str, Any], *names: str) -> None:
    """Raise 400 for parameters that Stripe accepts and the sandbox does not implement."""
    for name in names:
        if name in params:
            raise invalid(f"The sandbox does not support `{name}` here.", param=name)


def unauthorized(message: str, *, code: str | None = None) -> StripeFailure:
    return StripeFailure(message, status=401, code=code)


def internal_error() -> StripeFailure:
    return StripeFailure(
        "An unknown error occurred. Contact us via https://support.stripe.com/contact/ "
        "with any questions.",
        status=500,
        error_type="api_error",
    )
