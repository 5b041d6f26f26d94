"""Features of a project, and the version of its rules."""
