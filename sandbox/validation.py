"""Checks parameters against the SDK's parameter types, more strictly than those are.

Unknown parameters and values outside an enum are refused, although the SDK's enums are open. Form
text is converted to integers, booleans and lists.
"""

from __future__ import annotations

import functools
import re
import sys
import types
import typing
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Required, Union

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from stripe import RequestOptions, StripeObject
from typing_extensions import TypedDict, is_typeddict

from sandbox import limits
from sandbox.errors import (
    StripeFailure,
    empty_param,
    invalid,
    missing_param,
    unknown_param,
)
from sandbox.objects import Params

INTEGER = re.compile(r"-?[0-9]{1,18}")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
INDEX = re.compile(r"[0-9]{1,4}")


class ExpandOnly(TypedDict):
    """Parameters of a call that accepts only ``expand``."""

    expand: NotRequired[list[str]]


def validate_params(params: Params, declared: type | None) -> Params:
    """Convert the parameters to their types.

    Raises 400 with Stripe's text and the parameter's name.
    """
    try:
        result: Params = _adapter(declared or ExpandOnly).validate_python(params)
    except ValidationError as error:
        raise _validation_failure(error, params, declared) from None
    limits.check_limits(result)
    return result


@functools.cache
def _adapter(declared: type) -> TypeAdapter[Any]:
    return TypeAdapter(_strict_hash(declared))


@functools.cache
def _strict_hash(declared: type) -> Any:
    """The TypedDict without request options, with strict members and no extra keys."""
    annotations = {
        name: annotation
        for name, annotation in declared.__annotations__.items()
        if name not in RequestOptions.__annotations__
    }
    holder = type(declared.__name__, (), {"__annotations__": annotations})
    module = vars(sys.modules[declared.__module__])
    hints = typing.get_type_hints(holder, globalns=module, include_extras=True)
    members = {
        "__annotations__": {name: _strict_member(hint) for name, hint in hints.items()},
        "__pydantic_config__": ConfigDict(extra="forbid"),
    }
    return types.new_class(declared.__name__, (TypedDict,), {}, lambda body: body.update(members))


def _strict_member(hint: Any) -> Any:
    """Type of a member: a required text must not be empty; an optional one may, to unset it."""
    return Annotated[str, BeforeValidator(_not_empty)] if hint is str else _strict_type(hint)


def _strict_type(hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (NotRequired, Required):
        return origin[_strict_type(arguments[0])]
    if is_typeddict(hint):
        return _strict_hash(hint)
    if origin is list:
        return Annotated[
            types.GenericAlias(list, _strict_type(arguments[0])), BeforeValidator(_as_list)
        ]
    if origin is dict:
        return types.GenericAlias(dict, (arguments[0], _strict_type(arguments[1])))
    if origin is Union or type(hint).__name__ == "UnionType":
        return Union[tuple(_strict_type(each) for each in _closed_union(arguments))]  # noqa: UP007
    return SCALARS.get(hint, hint)


def _closed_union(arguments: tuple[Any, ...]) -> list[Any]:
    """The union members without ``str`` beside an enum.

    ``Literal['']`` alone is no enum: it unsets.
    """
    members = [each for each in arguments if not _is_stripe_object(typing.get_origin(each))]
    enums = [each for each in members if typing.get_origin(each) is Literal]
    if any(typing.get_args(each) != ("",) for each in enums):
        members = [each for each in members if each is not str]
    return members


def _is_stripe_object(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, StripeObject)


def _as_list(value: Any) -> Any:
    """The list ``[a, b]`` for ``{"0": a, "1": b}`` from the form; other values unchanged."""
    if isinstance(value, dict) and value and all(INDEX.fullmatch(key) for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return value


def _as_integer(value: Any) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    raise ValueError("integer")


def _as_boolean(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("boolean")


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("empty")
    return value


def _as_decimal(value: Any) -> Decimal:
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return Decimal(value)
    raise ValueError("decimal")


def _as_number(value: Any) -> float:
    return float(_as_decimal(value))


SCALARS: dict[Any, Any] = {
    float: Annotated[float, BeforeValidator(_as_number)],
    int: Annotated[int, BeforeValidator(_as_integer)],
    bool: Annotated[bool, BeforeValidator(_as_boolean)],
    Decimal: Annotated[Decimal, BeforeValidator(_as_decimal)],
}


def _validation_failure(
    error: ValidationError, params: Params, declared: type | None
) -> StripeFailure:
    """Stripe's error for the most deeply nested validation error."""
    errors_by_path = [(_error_path(problem["loc"], params), problem) for problem in error.errors()]
    keys, problem = max(
        errors_by_path, key=lambda each: (len(each[0]), ERROR_RANK.get(each[1]["type"], 0))
    )
    name = bracketed_name(keys)
    if problem["type"] == "extra_forbidden":
        return _unknown_param_error(name, declared)
    if problem["type"] == "missing":
        return missing_param(name)
    same_path = [each for path, each in errors_by_path if path == keys]
    return _invalid_value_error(name, problem["input"], same_path)


ERROR_RANK = {"extra_forbidden": 3, "missing": 2}


def _unknown_param_error(name: str, declared: type | None) -> StripeFailure:
    """Unknown parameter. ``payment_method_types`` has its own text since API version endive."""
    if name != "payment_method_types" or declared is None:
        return unknown_param(name)
    managed = "Payment methods are now managed from your Dashboard settings."
    if declared.__module__.startswith("stripe.params.checkout"):
        return invalid(
            "The `payment_method_types` parameter is no longer supported when creating a Checkout "
            f"Session. {managed}",
            param=name,
        )
    return invalid(
        f"The `payment_method_types` parameter is no longer supported. {managed}",
        param=name,
        code="payment_method_types_no_longer_supported",
    )


def _invalid_value_error(name: str, value: Any, problems: list[Any]) -> StripeFailure:
    expected = [each["ctx"]["expected"] for each in problems if each["type"] == "literal_error"]
    members = [member for each in expected for member in re.findall(r"'([^']*)'", each) if member]
    if members:
        return invalid(f"Invalid {name}: must be one of {_join_words(members)}", param=name)
    for problem in problems:
        kind = problem["type"]
        if kind == "value_error":
            noun = str(problem["ctx"]["error"])
            if noun == "empty":
                return empty_param(name)
            code = "parameter_invalid_integer" if noun == "integer" else None
            return invalid(f"Invalid {noun}: {str(value)[:100]}", param=name, code=code)
        if kind in KIND_NOUNS:
            return invalid(f"Invalid {KIND_NOUNS[kind]}", param=name)
    return invalid(f"Invalid value: {str(value)[:100]}", param=name)


KIND_NOUNS = {
    "dict_type": "object",
    "model_type": "object",
    "typed_dict_type": "object",
    "list_type": "array",
    "string_type": "string",
}


def _join_words(members: list[str]) -> str:
    unique = list(dict.fromkeys(members))
    if len(unique) < 3:
        return " or ".join(unique)
    return f"{', '.join(unique[:-1])}, or {unique[-1]}"


def _error_path(loc: tuple[int | str, ...], params: Params) -> list[int | str]:
    """Path of the error in the parameters, without pydantic's names of union members."""
    keys: list[int | str] = []
    value: Any = params
    for position, step in enumerate(loc):
        value = _as_list(value)
        is_last = position == len(loc) - 1
        is_index = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if is_index or (isinstance(value, dict) and step in value):
            keys.append(step)
            value = value[step]
        elif is_last and isinstance(value, dict) and str(step).isidentifier():
            keys.append(step)
    return keys


def bracketed_name(keys: list[int | str]) -> str:
    """Write ``["items", 0, "price"]`` as ``items[0][price]``."""
    return "".join(str(key) if index == 0 else f"[{key}]" for index, key in enumerate(keys))
