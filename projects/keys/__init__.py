"""API keys, what they may do, and whom they let in."""
