"""Owns the requests to URLs that tenants chose: a child process that sends them, and its parent's
end of the pipe (``SenderProcess``). Does not own what is sent, when, and how often
(``delivery.webhooks``).

The child (``python -m delivery.sender``) has an empty environment and imports neither Django nor a
database driver: a receiver that breaks it reaches no secret and no row. Nothing in this package
imports Django.
"""
