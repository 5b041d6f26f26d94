"""Checkout sessions: what may be asked for, and how the buyer completes one."""
