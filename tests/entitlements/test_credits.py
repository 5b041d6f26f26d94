"""Credits through the services: what is spent, set aside, given, taken back, and what is told."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from entitlements.models import CreditEntry, CreditTransaction
from entitlements.selectors.credits import balances
from entitlements.services import credit_grants, credits
from tests.factories.entitlements import NOW

pytestmark = pytest.mark.django_db


def test_smoke(customer):
    credit_grants.give_by_hand(
        project=customer.project, user_id="ada", amount=100, reason="Hi.", actor="x", at=NOW
    )
    who = {"project_id": customer.project_id, "customer_id": customer.pk}
    spent = credits.spend(**who, amount=30, at=NOW, key="a")
    assert spent.balance == 70
    assert credits.spend(**who, amount=30, at=NOW, key="a").is_repeat
    credits.hold(**who, amount=50, at=NOW, reference="res_1")
    assert credits.settle(**who, reference="res_1", amount=20, at=NOW + timedelta(hours=1)) == 50
    ids = [customer.pk]
    assert balances(project_id=customer.project_id, customer_ids=ids, at=NOW) == {customer.pk: 50}
    tx = CreditTransaction.objects.for_project(customer.project).first()
    entry = CreditEntry(
        project=customer.project,
        transaction=tx,
        grant_id=spent.shares[0].grant,
        bucket="available",
        amount=5,
    )
    with pytest.raises(IntegrityError, match="sum to zero"), transaction.atomic():
        CreditEntry.objects.for_project(customer.project).bulk_create([entry])
