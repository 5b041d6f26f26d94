"""Object types of the schema with fields that read rows, one file per subject."""
