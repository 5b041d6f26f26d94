"""Meters: what is counted and how it adds up."""
