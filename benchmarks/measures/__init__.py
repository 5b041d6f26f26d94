"""The cases: each sends requests to one path and returns the rate."""
