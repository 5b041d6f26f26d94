"""Changes of a product for everybody who holds it: looked at, kept, carried out.

Owns: impact previews, planned changes, moves of subscriptions to another price. Does not own: what
a purchase gives (`access`), nor the change of one subscription (`subscriptions`)."""
