"""GraphQL over HTTP: the same rows, words and refusals as REST."""
