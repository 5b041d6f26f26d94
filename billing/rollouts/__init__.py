"""Product changes for all holders: measured, planned and applied.

Owns: impact previews, planned changes, moves of subscriptions to another price. Does not own: the
access that a purchase gives (`access`), nor the change of one subscription (`subscriptions`)."""
