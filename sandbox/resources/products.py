"""Products."""

from __future__ import annotations

from stripe.params import (
    ProductCreateParams,
    ProductDeleteParams,
    ProductListParams,
    ProductRetrieveParams,
    ProductUpdateParams,
)

from sandbox.errors import StripeFailure, empty_param, invalid
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import prices
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

COPIED_PARAMS = (
    "active",
    "description",
    "images",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
)


@routes.post("/v1/products", ProductCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    id = params.get("id") or tx.new_id("prod")
    if tx.get("product", id):
        raise StripeFailure("Product already exists.", code="resource_already_exists", param="id")
    product = tx.insert(build_product(id, params, now=tx.now))
    tx.emit("product.created", product)
    if default_price := params.get("default_price_data"):
        price = prices.create(tx, {**default_price, "product": id})
        with tx.updating(product, "product.updated"):
            product["default_price"] = price["id"]
    return product


@routes.get("/v1/products/<id>", ProductRetrieveParams)
def retrieve(tx: Transaction, params: Params, product_id: str) -> Object:
    return tx.path_object("product", product_id)


@routes.post("/v1/products/<id>", ProductUpdateParams)
def update(tx: Transaction, params: Params, product_id: str) -> Object:
    product = tx.path_object("product", product_id)
    if params.get("name") == "":
        raise empty_param("name")
    with tx.updating(product, "product.updated"):
        assign(product, params, *COPIED_PARAMS)
        merge_metadata(product, params.get("metadata"))
        if price_id := params.get("default_price"):
            price = tx.param_object("price", price_id, param="default_price")
            if price["product"] != product_id:
                raise invalid(
                    f"The price `{price_id}` does not belong to this product.",
                    param="default_price",
                )
            product["default_price"] = price_id
        if product != tx.stored(product):
            product["updated"] = tx.now
    return product


@routes.get("/v1/products", ProductListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(product: Object) -> bool:
        return (
            product["active"] == params.get("active", product["active"])
            and product["id"] in params.get("ids", [product["id"]])
            and product["shippable"] == params.get("shippable", product["shippable"])
            and product["url"] == params.get("url", product["url"])
        )

    return list_page(tx, "product", params, url="/v1/products", where=wanted)


@routes.delete("/v1/products/<id>", ProductDeleteParams)
def delete(tx: Transaction, params: Params, product_id: str) -> Object:
    product = tx.path_object("product", product_id)
    if tx.list_ids("price", lambda price: price.get("product") == product_id):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices.",
            param="id",
        )
    tx.emit("product.deleted", product)
    return tx.delete(product)


def build_product(product_id: str, params: Params, *, now: int) -> Object:
    product: Object = {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }
    assign(product, params, *COPIED_PARAMS)
    merge_metadata(product, params.get("metadata"))
    return product
