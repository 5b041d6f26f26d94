"""Owns checks: reading facts, deciding, previews and explanations. Does not own the rules
(``resolution``), the writing of facts (``facts``) or the cache (``cache``)."""
