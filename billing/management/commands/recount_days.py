"""Count all days of a project's metrics again from the mirrors."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.analytics import service as analytics
from common.errors import NotFound
from projects.keys.selectors import projects


class Command(BaseCommand):
    help = (
        "Deletes the counted days of a project's metrics and lets the workers count them again "
        "from the mirrors: at most 400 days, all of them estimates (docs/metrics.md). Use it after "
        "an import of subscriptions that began before the project was counted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="Id or slug.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = projects.get_by_id_or_slug(options["project"])
        except NotFound as error:
            raise CommandError(str(error)) from error
        analytics.begin_again(project=project, at=timezone.now())
        self.stdout.write(f"The workers count the days of {project.slug} again.")
