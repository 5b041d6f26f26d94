"""`make demo`: play the main use cases over HTTP, on a stack of its own, and print each step."""
