"""Access that a person gives or takes by hand."""
