"""Random requests made from the OpenAPI schema get no 5xx and only documented answers.

Whatever comes in: no 5xx, and every answer is one that the schema promises. ``FUZZ_EXAMPLES`` asks
for more examples per operation than the suite has time for.
"""

from projects.models import Project
from tests.architecture.tenant import Words
from tests.billing_fixtures import SandboxStripe


def test_every_answer_is_one_that_the_schema_promises(
    own_words: Words, project: Project, stripe: SandboxStripe
) -> None:
    # Schemathesis takes half a second to import: not for every worker that collects this test.
    from tests.architecture.schema_fuzz import fuzz_every_operation  # noqa: PLC0415

    assert fuzz_every_operation(own_words, project, stripe) > 50
