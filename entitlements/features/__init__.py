"""Owns a project's features and the version of its rules. Does not own meters (``usage.meters``)
or who has a feature (``facts``)."""
