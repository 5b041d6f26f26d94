"""``manage.py seed_demo``: create a demo project with plans, an operator and an API key.

``--projects 3`` creates three, with apps, users, purchases and what follows from them.
"""

import json
import os
from argparse import ArgumentParser
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.conf import STRIPE_API
from billing.models import Checkout, Payment, Product, Subscription
from console import operators
from devtools import seed, seed_world
from devtools.demo.web import send
from projects.keys import api_keys
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.scopes import ALL_SCOPES
from projects.keys.selectors import credentials
from projects.models import App, Customer, Project

OPERATOR = "operator"
COUNTED = (
    ("products", Product.objects),
    ("apps", App.objects),
    ("users", Customer.objects),
    ("subscriptions", Subscription.objects),
    ("payments", Payment.objects),
)
"""What the summary of a project counts."""


class Command(BaseCommand):
    help = "Fills the Stripe sandbox and the database with a demo project. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--key-file",
            type=Path,
            default=settings.BASE_DIR / "var" / "demo-key",
            help="File for the demo's API key, readable only by you.",
        )
        parser.add_argument(
            "--projects",
            type=int,
            default=0,
            help="How many projects to fill with apps, users and purchases (default: 0, and one "
            "empty project).",
        )

    def handle(self, *args: Any, key_file: Path, **options: Any) -> None:
        if settings.BILLING.stripe_api_base == STRIPE_API:
            raise CommandError(
                "seed_demo fills the Stripe sandbox. Set STRIPE_API_BASE to its address, or run "
                "'make up', which does."
            )
        now = timezone.now()
        numbers = range(1, max(options["projects"], 1) + 1)
        steps = len(numbers) * len(seed.PLANS) + options["projects"] * len(seed_world.USERS)
        with tqdm(total=steps, desc="Demo", leave=False, disable=None) as progress:
            projects = [
                _offer(seed.demo_project(number=number, at=now), progress, now)
                for number in numbers
            ]
            for project in projects[: options["projects"]]:
                seed_world.add_apps(project=project, at=now)
                for _ in seed_world.fill(project=project, pay=_pay, at=now):
                    progress.update()
        password = os.environ.get("OPERATOR_PASSWORD", "")
        self._operator(password)
        self.stdout.write(
            f"{_summary(projects)}\n"
            f"  API key         {_key(projects[0], key_file, now)}\n"
            f"  Operator        {OPERATOR} / {password}"
        )

    def _operator(self, password: str) -> None:
        """Create the operator; an existing one keeps their password."""
        if not password:
            raise CommandError("Set OPERATOR_PASSWORD: the console's operator needs a password.")
        operators.ensure(username=OPERATOR, password=password)


def _offer(project: Project, progress: "tqdm[Any]", at: datetime) -> Project:
    progress.set_description(project.name)
    seed.define_features(project=project, at=at)
    for _ in seed.offer(project=project, at=at):
        progress.update()
    return project


def _pay(page: Checkout, card: str) -> None:
    """Pay at the sandbox; its declines are part of the demo."""
    url = f"{settings.BILLING.stripe_api_base}/_sandbox/checkout/{page.stripe_id}/pay"
    body = json.dumps({"card": card, "email": page.customer.email, "name": page.customer.name})
    reply = send("POST", url, headers={"Content-Type": "application/json"}, body=body.encode())
    if reply.status != HTTPStatus.OK:
        raise CommandError(f"The sandbox refused a payment: {reply.status} {reply.text[:200]}")


def _summary(projects: list[Project]) -> str:
    """A line for each project, with what it has."""
    return "\n".join(
        f"  Project         {project.name} ({project.pk}), "
        + ", ".join(f"{rows.for_project(project).count()} {name}" for name, rows in COUNTED)
        for project in projects
    )


def _key(project: Project, path: Path, at: datetime) -> str:
    """The demo's API key: the one in the file while it is live, else a new one."""
    kept = path.read_text().strip() if path.exists() else ""
    if kept and credentials.find(secret=kept, at=at) is not None:
        return kept
    request = ApiKeyRequest(name="make up", scopes=ALL_SCOPES)
    _, secret = api_keys.issue(project=project, request=request, actor=seed.ACTOR, at=at)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(secret)
    return secret
