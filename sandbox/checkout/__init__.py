"""Checkout sessions: their parameters, amounts and completion."""
