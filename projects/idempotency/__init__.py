"""Requests that come again under the same key."""
