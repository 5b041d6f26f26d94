"""A project's customers."""
