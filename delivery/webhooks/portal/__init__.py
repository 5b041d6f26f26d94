"""The page where a tenant's developers see their webhooks without an account in our console. Owns
the signed links to it."""
