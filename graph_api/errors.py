"""Refusals of a query before anything is executed, and errors as GraphQL answers them."""

from common.errors import DomainError


class QueryMalformed(DomainError):
    """The query does not follow GraphQL's grammar: nothing was executed."""

    status, code, title = 400, "query-malformed", "The query could not be read."


class QueryInvalid(DomainError):
    """The query or its variables do not fit the schema: nothing was executed."""

    status, code, title = 400, "query-invalid", "The query does not fit the schema."


class QueryTooLong(DomainError):
    """The query has too many tokens: nothing was executed."""

    status, code, title = 400, "query-too-long", "The query has too many tokens."


class QueryTooDeep(DomainError):
    """The query is nested too deeply: nothing was executed."""

    status, code, title = 400, "query-too-deep", "The query is nested too deeply."


class TooManyAliases(DomainError):
    """The query has too many aliases: nothing was executed."""

    status, code, title = 400, "too-many-aliases", "The query has too many aliases."


class QueryTooComplex(DomainError):
    """The query could answer too many values, or reads too many lists: nothing was executed."""

    status, code, title = 400, "query-too-complex", "The query costs too much."
