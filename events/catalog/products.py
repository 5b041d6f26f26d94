"""Events of what a project sells: products, prices and discounts."""

PRODUCT_CREATED = "product.created", "A product was created."
PRODUCT_UPDATED = (
    "product.updated",
    "A product changed: a text, metadata, what it gives, a policy, or it is on sale again.",
)
PRODUCT_ARCHIVED = "product.archived", "A product was taken off sale. Its holders keep it."

PRICE_CREATED = "price.created", "A price was created."
PRICE_UPDATED = "price.updated", "A price's text or metadata changed, or it is on sale again."
PRICE_ARCHIVED = "price.archived", "A price was taken off sale. Its subscribers keep it."

COUPON_CREATED = "coupon.created", "A coupon was created."
COUPON_UPDATED = "coupon.updated", "A coupon changed, was redeemed, or is no longer valid."
COUPON_DELETED = "coupon.deleted", "A coupon was deleted. Discounts that it gave stay."

PROMOTION_CODE_CREATED = "promotion_code.created", "A promotion code was created."
PROMOTION_CODE_UPDATED = (
    "promotion_code.updated",
    "A promotion code was opened, closed or redeemed, or its metadata changed.",
)

ROLLOUT_STARTED = (
    "rollout.started",
    "A change of a product began to be applied to its holders.",
)
ROLLOUT_COMPLETED = (
    "rollout.completed",
    "A rollout has ended. Its data counts the holders and subscriptions that failed.",
)
ROLLOUT_SUPERSEDED = (
    "rollout.superseded",
    "A rollout ended because a newer change of the product is applied to all holders.",
)
