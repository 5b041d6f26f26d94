"""Owns the audit trail: who changed what by hand, when and why."""
