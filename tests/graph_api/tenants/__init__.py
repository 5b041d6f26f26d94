"""Queries about two tenants that have one of everything."""
