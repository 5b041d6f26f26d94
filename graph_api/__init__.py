"""GraphQL at ``/graphql``: reads of the same rows, bodies and decisions as the REST API.

Optional: needs the packages of ``requirements/graphql.in``. Only ``config`` imports it.
"""
