"""Projects and their apps: opening, suspending, archiving."""
