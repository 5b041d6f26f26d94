"""What purchases and subscriptions give: facts about features, and credits.

Owns: the step from mirrors to facts and credit grants, and applying a change of a product to its
holders. Does not own: features, facts and credits themselves (`entitlements`).
"""
