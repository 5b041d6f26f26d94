"""Facts that sources state of features, and the events of what they change."""
