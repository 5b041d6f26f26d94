"""Owns how far each way out has read the log. Does not own what a way out does with an event."""
