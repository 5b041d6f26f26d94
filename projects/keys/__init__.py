"""Owns API keys and platform keys, scopes, credentials and their cache. Does not own users'
tokens (``sign_in``)."""
