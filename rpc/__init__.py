"""The gRPC door (``python -m rpc``): other names for the routes of the HTTP API.

Owns the protos, the server with its limits, and the translation of messages into requests and of
answers into messages and statuses. Does not own any rule: each call is answered by the view of its
route, so keys, scopes, validation, idempotency and errors are decided once (docs/decisions/0040).
"""
