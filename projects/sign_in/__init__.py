"""Users who sign in with a token of their project."""
