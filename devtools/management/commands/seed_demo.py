"""``manage.py seed_demo``: create a demo project with plans, an operator and an API key."""

import os
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from billing.conf import STRIPE_API
from console import operators
from devtools import seed
from projects.keys import api_keys
from projects.keys.api_keys import ApiKeyRequest
from projects.keys.scopes import ALL_SCOPES
from projects.keys.selectors import credentials
from projects.models import Project

OPERATOR = "operator"


class Command(BaseCommand):
    help = "Fills the Stripe sandbox and the database with a demo project. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--key-file",
            type=Path,
            default=settings.BASE_DIR / "var" / "demo-key",
            help="File for the demo's API key, readable only by you.",
        )

    def handle(self, *args: Any, key_file: Path, **options: Any) -> None:
        if settings.BILLING.stripe_api_base == STRIPE_API:
            raise CommandError(
                "seed_demo fills the Stripe sandbox. Set STRIPE_API_BASE to its address, or run "
                "'make up', which does."
            )
        now = timezone.now()
        project = seed.demo_project(at=now)
        seed.define_features(project=project, at=now)
        plans = seed.offer(project=project, at=now)
        for _ in tqdm(plans, total=len(seed.PLANS), desc="Plans", leave=False, disable=None):
            pass
        password = os.environ.get("OPERATOR_PASSWORD", "")
        self._operator(password)
        self.stdout.write(
            f"  Project         {project.name} ({project.pk}), {len(seed.PLANS)} products\n"
            f"  API key         {_key(project, key_file, now)}\n"
            f"  Operator        {OPERATOR} / {password}"
        )

    def _operator(self, password: str) -> None:
        """Create the operator; an existing one keeps their password."""
        if not password:
            raise CommandError("Set OPERATOR_PASSWORD: the console's operator needs a password.")
        operators.ensure(username=OPERATOR, password=password)


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
