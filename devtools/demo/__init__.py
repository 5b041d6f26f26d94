"""`make demo`: the whole main job played over HTTP, on a stack of its own, each step told."""
