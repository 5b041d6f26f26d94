"""The pure core: how facts become a decision, how values merge and are shown."""
