"""The boundary to Stripe: the only package that imports its SDK.

Plain functions, one file per resource, with the client passed in. Frozen snapshots in our words
come out (``snapshots``); what is raised says what the caller should do (``errors``).
"""
