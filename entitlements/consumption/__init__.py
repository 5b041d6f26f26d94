"""Consuming and reserving: a decision and its count in one step."""
