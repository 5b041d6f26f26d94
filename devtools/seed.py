"""A demo project with four plans and one item, in the Stripe sandbox.

Every step first checks whether its result exists, so seeding is repeatable, and a run that was
interrupted is completed by the next one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from billing.catalog import service as catalog
from billing.catalog.catalog_requests import PriceRequest, ProductRequest
from billing.catalog.product_features import ProductEntitlement
from billing.models import Price, Product
from common.money import Money
from entitlements.features import service as features
from entitlements.features.service import NO_METERING, FeatureMetering, FeatureRequest
from entitlements.models import Feature
from entitlements.models.feature import FeatureKind
from projects.models import Project
from projects.tenants import projects
from usage.meters import selectors as stored_meters
from usage.meters import service as meters
from usage.models.meter import Aggregation
from usage.periods import Unit

ACTOR = "command"
SLUG = "demo"
NAMES = ("Demo", "Atlas", "Harbor", "Lumen", "Orchard", "Quarry")
"""Names of the demo projects in their order; further ones are numbered."""
CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """A product of the demo; without an amount it has no price, without an interval a one-time
    price."""

    name: str
    description: str
    amount: int | None
    interval: str = "month"
    gives: Mapping[str, bool | int | None] = field(default_factory=dict)


FEATURES = (
    ("agents", "Agents", FeatureKind.LIMIT, "agents"),
    ("messages", "Messages per month", FeatureKind.METERED, "messages"),
    ("users", "Team members", FeatureKind.LIMIT, "users"),
    ("priority_support", "Priority support", FeatureKind.BOOLEAN, ""),
    ("export", "Data export", FeatureKind.BOOLEAN, ""),
)

METER = "messages"
PER_MONTH = FeatureMetering(meter=METER, period=Unit.MONTH, anchored=True)
"""Counted per billing month of the subscriber."""

PLANS = (
    DemoPlan("Free", "To look around.", 0, gives={"agents": 1, "messages": 1_000, "users": 1}),
    DemoPlan(
        "Starter",
        "For a small team.",
        2_900,
        gives={"agents": 5, "messages": 10_000, "users": 3},
    ),
    DemoPlan(
        "Professional",
        "For a company that lives in it.",
        9_900,
        gives={"agents": 25, "messages": 100_000, "users": 10, "priority_support": True},
    ),
    DemoPlan(
        "Enterprise",
        "Priced by agreement, without limits.",
        None,
        gives={"agents": None, "messages": None, "users": None, "priority_support": True},
    ),
    DemoPlan("Data export", "Once, for good.", 4_900, interval="", gives={"export": True}),
)


def demo_project(*, at: datetime, number: int = 1) -> Project:
    """The demo project of this number, created if it does not exist."""
    slug = SLUG if number == 1 else f"{SLUG}-{number}"
    project = Project.objects.filter(slug=slug).first()
    return (
        project
        or projects.register(
            name=NAMES[number - 1] if number <= len(NAMES) else f"Demo {number}",
            slug=slug,
            default_currency=CURRENCY,
            return_origins=["http://localhost:3000"],
            actor=ACTOR,
            at=at,
        ).project
    )


def define_features(*, project: Project, at: datetime) -> None:
    """Create the demo's meter and features."""
    if METER not in stored_meters.find_many(project=project, codes={METER}):
        meters.create(
            project=project,
            code=METER,
            name="Messages",
            aggregation=Aggregation.COUNT,
            actor=ACTOR,
            at=at,
        )
    existing_codes = set(Feature.objects.for_project(project).values_list("code", flat=True))
    for code, name, kind, unit in FEATURES:
        if code not in existing_codes:
            features.create(
                project=project,
                request=FeatureRequest(
                    code=code,
                    name=name,
                    kind=kind,
                    unit=unit,
                    metering=PER_MONTH if kind == FeatureKind.METERED else NO_METERING,
                ),
                actor=ACTOR,
                at=at,
            )


def offer(*, project: Project, at: datetime) -> Iterator[DemoPlan]:
    """Create each plan here and at Stripe; yields the plans that are done."""
    for plan in PLANS:
        product = _product(project, plan, at)
        if plan.amount is not None:
            _price(product, plan.amount, plan.interval, at)
        yield plan


def _product(project: Project, plan: DemoPlan, at: datetime) -> Product:
    key = f"seed-{project.pk}-{plan.name}"
    existing = Product.objects.for_project(project).filter(name=plan.name, stripe_id__isnull=False)
    return existing.first() or catalog.create_product(
        project=project,
        request=ProductRequest(
            name=plan.name,
            description=plan.description,
            features=[ProductEntitlement(code, value) for code, value in plan.gives.items()],
            custom_price=plan.amount is None,
        ),
        idempotency_key=key,
        actor=ACTOR,
        at=at,
    )


def _price(product: Product, amount: int, interval: str, at: datetime) -> Price:
    existing = Price.objects.for_project(product.project_id).filter(
        product=product, unit_amount=amount, interval=interval, stripe_id__isnull=False
    )
    return existing.first() or catalog.create_price(
        product=product,
        request=PriceRequest(
            money=Money(amount, CURRENCY), interval=interval, nickname=product.name
        ),
        idempotency_key=f"seed-{product.pk}-{amount}",
        at=at,
    )
