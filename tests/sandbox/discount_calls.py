"""Coupons, promotion codes and the invoices that they discount."""


def coupon(shop, **params):
    sent = params or {"percent_off": 20, "duration": "forever"}
    return str(shop.client.v1.coupons.create(sent).id)


def code(shop, id, **params):
    return shop.client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": id}, "code": "SAVE20", **params}
    )


def renewals(shop, count):
    for _ in range(count):
        shop.later(31)
        shop.later(seconds=7200)
