"""Owns how a project's users sign in: settings, key sets (JWKS) and token verification. Does not
own API keys (``keys``)."""
