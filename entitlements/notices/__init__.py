"""Notices of customers who come near a limit."""
