"""Random requests made from the OpenAPI schema, and what every answer to them has to be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.deserialization import DeserializationContext
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from projects.models import Project
from tests.api_client import ApiClient
from tests.architecture.tenant import Words
from tests.billing_fixtures import SandboxStripe
from tests.factories.projects import key_of, platform_key
from tests.projects.sign_in.tokens import sign_in, signed
from tests.transactions import rolled_back

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WITHOUT_INPUT = {"GET /live", "GET /ready", "GET /health"}
"""Operations to which nothing wrong can be sent."""
SAME = {"feature": "code", "product_id": "product"}
"""Names under which the schema knows the words of the matrix, where they differ."""


@schemathesis.deserializer("application/json")
def _as_read(context: DeserializationContext, response: Response) -> Any:
    """Schemathesis takes `application/jwt` for a kind of JSON; it is text (RFC 7519, 10.3.1)."""
    [media_type] = response.headers["content-type"]
    return response.text if media_type == "application/jwt" else response.json()


def fuzz_every_operation(own_words: Words, project: Project, stripe: SandboxStripe) -> int:
    """Try each operation with a key that may call it; return how many there are."""
    keys = {"POST /api/v1/projects": platform_key()}
    own = key_of(project)
    sign_in(ApiClient(own), project)
    token = signed(own_words["user_id"])
    with within_the_tests_transaction(), stripe.unchanged():
        schema = schemathesis.openapi.from_wsgi("/api/schema", application)
        results: list[Any] = list(schema.get_all_operations())
        operations = [result.ok() for result in results]
        for operation in operations:
            of_user = "/api/v1/billing/" in operation.label
            key = token if of_user else keys.get(operation.label, own)
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if mode is GenerationMode.NEGATIVE and operation.label in WITHOUT_INPUT:
                    continue
                fuzz(operation, mode, own_words, key)
    return len(operations)


def fuzz(operation: Any, mode: GenerationMode, words: Words, key: str) -> None:
    """Try the operation; half of the examples name what there is, and get further than a 404."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="FUZZ_EXAMPLES" not in os.environ,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def attempt(case: Case[Any], real: bool) -> None:
        if real:
            name_what_there_is(case, words)
        with rolled_back():
            headers = {"Authorization": f"Bearer {key}", "Tollgate-Project": words["project_id"]}
            case.call_and_validate(headers=headers, checks=CHECKS)

    attempt()


def name_what_there_is(case: Case[Any], words: Words) -> None:
    noun = case.operation.path.removeprefix("/api/v1/").split("/")[0].removesuffix("s")
    for parameters in (case.path_parameters, case.query, case.body):
        if isinstance(parameters, dict):
            for name in parameters:
                word = noun if name == "id" else SAME.get(name, name)
                if word in words:
                    parameters[name] = words[word]


@contextmanager
def within_the_tests_transaction() -> Iterator[None]:
    """Requests leave the connection open, as Django's own test client sees to; and it may stay
    idle for as long as a busy machine takes to make the examples."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)
