"""Guards of the product, each with the test that notices when it is gone.

A guard is a line that looks as if nothing needed it: a filter by project, a fence, an overlap.
`catalog.toml` names it and says how it would be removed; `make chaos` removes one after the other
in a copy of the code and expects the named tests to fail; `docs/guards.md` is the list to read.
"""
