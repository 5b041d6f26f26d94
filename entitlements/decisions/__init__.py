"""Who may do what, and why: facts in, decisions out."""
