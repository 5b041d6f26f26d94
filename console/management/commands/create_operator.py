"""``manage.py create_operator``: somebody who may sign in to the console."""

import os
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from console import operators
from console.operators import Role


class Command(BaseCommand):
    help = "Make an operator of the console. The password is OPERATOR_PASSWORD, or asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--role",
            choices=Role.values,
            default=Role.ADMINISTRATOR.value,
            help="viewer sees, operator sees and acts, administrator manages accounts too.",
        )

    def handle(self, *args: Any, username: str, role: str, **options: Any) -> None:
        password = os.environ.get("OPERATOR_PASSWORD") or getpass("Password: ")
        try:
            made = operators.ensure(username=username, password=password, role=Role(role))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if not made:
            raise CommandError(f"There is an operator {username!r} already.")
        self.stdout.write(f"Made the {role} {username}.")
