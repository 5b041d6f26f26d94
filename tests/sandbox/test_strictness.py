"""Requests are refused where the API version refuses them, naming the parameter."""

import importlib
from urllib.parse import urlencode

import pytest
from stripe import params as p
from stripe._encode import _api_encode
from stripe.params import checkout

from sandbox.errors import StripeFailure
from sandbox.form_encoding import decode_form
from sandbox.validation import validate_params


def refusal(form, declared):
    with pytest.raises(StripeFailure) as refused:
        validate_params(decode_form(form), declared)
    assert refused.value.status == 400
    assert refused.value.error_type == "invalid_request_error"
    return refused.value.code, refused.value.param, refused.value.message


def sent(payload):
    """As the SDK writes it."""
    return urlencode(list(_api_encode(payload)))


ITEM = "items[0][price_data]"
GONE = "The `payment_method_types` parameter is no longer supported"


@pytest.mark.parametrize(
    ("declared", "form", "code", "param", "message"),
    [
        (p.CustomerCreateParams, "emial=a", "parameter_unknown", "emial", "Received unknown"),
        (p.CustomerCreateParams, "address[citty]=a", "parameter_unknown", "address[citty]", "Re"),
        (p.ProductCreateParams, "active=true", "parameter_missing", "name", "Missing required"),
        (p.ProductCreateParams, "name=", "parameter_invalid_empty", "name", "You passed an empty"),
        (p.PriceCreateParams, "currency=usd&unit_amount=1.5", "parameter_invalid_integer",
         "unit_amount", "Invalid integer: 1.5"),
        (p.PriceCreateParams, "currency=usd&unit_amount=" + "9" * 5000,
         "parameter_invalid_integer", "unit_amount", "Invalid integer: 999"),
        (p.PriceCreateParams, "currency=usd&recurring[interval]=mth", None,
         "recurring[interval]",
         "Invalid recurring[interval]: must be one of day, month, week, or year"),
        (p.CustomerUpdateParams, "tax_exempt=maybe", None, "tax_exempt",
         "Invalid tax_exempt: must be one of exempt, none, or reverse"),
        (p.ProductUpdateParams, "active=yes", None, "active", "Invalid boolean: yes"),
        (p.SubscriptionUpdateParams, "billing_cycle_anchor=now", None,
         "billing_cycle_anchor", "Invalid object"),
        (p.SubscriptionUpdateParams, "billing_cycle_anchor=1800000000", None,
         "billing_cycle_anchor", "Invalid object"),
        (p.SubscriptionUpdateParams, "proration_behavior=maybe", None, "proration_behavior",
         "Invalid proration_behavior"),
        (p.SubscriptionUpdateParams, "items[0][id]=a&items[1][quantity]=x",
         "parameter_invalid_integer", "items[1][quantity]", "Invalid integer: x"),
        (p.PriceCreateParams, "unit_amount=5", "parameter_missing", "currency", "Missing required"),
        (p.SubscriptionCreateParams, "customer=c&items=a", None, "items", "Invalid array"),
        (p.SubscriptionCreateParams, "customer=c&coupon=a", "parameter_unknown", "coupon", "Rec"),
        (p.PaymentIntentCreateParams, "amount=1&currency=usd&payment_method_types[]=card",
         "payment_method_types_no_longer_supported", "payment_method_types", GONE),
        (p.PaymentIntentConfirmParams, "payment_method_types[]=card",
         "payment_method_types_no_longer_supported", "payment_method_types", GONE),
        (p.SetupIntentCreateParams, "payment_method_types[]=card",
         "payment_method_types_no_longer_supported", "payment_method_types", GONE),
        (checkout.SessionCreateParams, "payment_method_types[]=card", None,
         "payment_method_types", GONE + " when creating a Checkout Session."),
        (checkout.SessionCreateParams, "ui_mode=hosted", None, "ui_mode",
         "Invalid ui_mode: must be one of elements, embedded_page, form, or hosted_page"),
        (checkout.SessionCreateParams, "mode=subscribe", None, "mode", "Invalid mode"),
        (checkout.SessionCreateParams, "success_url=nowhere", "url_invalid", "success_url",
         "Not a valid URL"),
        (checkout.SessionCreateParams, "cancel_url=javascript:alert(1)", "url_invalid",
         "cancel_url", "Not a valid URL"),
        (p.WebhookEndpointCreateParams, "url=ftp://x&enabled_events[]=*", "url_invalid", "url",
         "Not a valid URL"),
        (p.WebhookEndpointCreateParams, "url=https://x.co&enabled_events[]=customer.upset", None,
         "enabled_events[0]", "Invalid enabled_events[0]"),
        (p.CustomerCreateParams, "email=nobody", "email_invalid", "email", "Invalid email"),
        (p.PriceCreateParams, "currency=zzz", None, "currency", "Invalid currency: zzz."),
        (p.SubscriptionCreateParams,
         ITEM + "[currency]=zzz&" + ITEM + "[product]=p&" + ITEM + "[recurring][interval]=day",
         None, "items[0][price_data][currency]", "Invalid currency: zzz."),
        (p.CustomerCreateParams, "description=" + "x" * 5001, None, "description",
         "Invalid string: 'xxxx...xxxx'; must be at most 5000 characters"),
        (p.CustomerCreateParams, "metadata[" + "k" * 41 + "]=v", None, "metadata",
         "Metadata keys must be 40"),
        (p.CustomerCreateParams, "metadata[k]=" + "v" * 501, None, "metadata[k]",
         "Metadata values must be 500"),
        (p.CustomerCreateParams, "metadata[k][inner]=v", None, "metadata[k]", "Invalid string"),
        (p.CustomerCreateParams, "metadata=text", None, "metadata", "Invalid"),
        (p.PriceCreateParams, "currency=usd&unit_amount=\u0663", "parameter_invalid_integer",
         "unit_amount", "Invalid integer"),
        (p.SubscriptionCreateParams, "customer=c&items[" + "9" * 5000 + "][price]=a", None, "items",
         "Invalid array"),
        (None, "anything=1", "parameter_unknown", "anything", "Received unknown"),
        (None, "expand=customer", None, "expand", "Invalid array"),
    ],
)  # fmt: skip
def test_invalid_parameters_are_refused_with_stripes_message(declared, form, code, param, message):
    error = refusal(form, declared)
    assert error[:2] == (code, param)
    assert error[2].startswith(message)


def test_metadata_has_at_most_fifty_keys():
    fifty = {"metadata": {f"k{number}": "v" for number in range(50)}}
    assert validate_params(decode_form(sent(fifty)), p.CustomerCreateParams) == fifty
    fifty["metadata"]["one_more"] = "v"
    assert refusal(sent(fifty), p.CustomerCreateParams)[1] == "metadata"


@pytest.mark.parametrize(
    ("declared", "form", "params"),
    [
        (p.ProductListParams, "active=false&limit=3", {"active": False, "limit": 3}),
        (p.ProductListParams, "created[gte]=5&ids[]=a&ids[]=b",
         {"created": {"gte": 5}, "ids": ["a", "b"]}),
        (p.ProductListParams, "created=5", {"created": 5}),
        (p.CustomerUpdateParams, "metadata[0]=zero&metadata[1]=",
         {"metadata": {"0": "zero", "1": ""}}),
        (p.CustomerUpdateParams, "metadata=&address=&name=",
         {"metadata": "", "address": "", "name": ""}),
        (p.SubscriptionUpdateParams, "cancel_at=min_period_end", {"cancel_at": "min_period_end"}),
        (p.SubscriptionUpdateParams, "cancel_at=1800000000", {"cancel_at": 1800000000}),
        (p.SubscriptionUpdateParams, "billing_cycle_anchor[type]=now",
         {"billing_cycle_anchor": {"type": "now"}}),
        (p.PaymentIntentCreateParams, "amount=5&currency=usd&off_session=recurring",
         {"amount": 5, "currency": "usd", "off_session": "recurring"}),
        (p.PaymentIntentCreateParams, "amount=5&currency=usd&off_session=true",
         {"amount": 5, "currency": "usd", "off_session": True}),
        (None, "expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
    ],
)  # fmt: skip
def test_text_is_converted_to_the_declared_type(declared, form, params):
    assert validate_params(decode_form(form), declared) == params


SESSION = {"mode": "payment", "success_url": "https://example.com/ok?s={CHECKOUT_SESSION_ID}"}
ACCEPTED = [
    ("stripe.params.checkout", "SessionCreateParams", {
        **SESSION,
        "line_items": [{"price": "price_1", "quantity": 1,
                        "adjustable_quantity": {"enabled": True, "minimum": 1, "maximum": 10}}],
        "payment_intent_data": {"setup_future_usage": "off_session"},
        "wallet_options": {"link": {"display": "never"}},
        "allowed_payment_method_types": ["card"],
    }),
    ("stripe.params.checkout", "SessionCreateParams", {
        **SESSION,
        "mode": "subscription",
        "subscription_data": {
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}},
        },
    }),
    ("stripe.params", "SubscriptionUpdateParams", {
        "pause_collection": "", "discounts": "", "trial_end": "now",
        "billing_cycle_anchor": {"type": "now"},
    }),
    ("stripe.params", "RefundCreateParams", {"payment_intent": "pi_1", "amount": 50}),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name", "payload"), ACCEPTED)
def test_parameters_of_the_version_are_accepted(module, name, payload):
    declared = getattr(importlib.import_module(module), name)
    assert validate_params(decode_form(sent(payload)), declared) == payload
