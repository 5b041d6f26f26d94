"""Routes of disputes: send evidence, or close the dispute as lost."""

from __future__ import annotations

from stripe.params import (
    DisputeCloseParams,
    DisputeListParams,
    DisputeRetrieveParams,
    DisputeUpdateParams,
)

from sandbox import disputes
from sandbox.disputes import KIND
from sandbox.errors import invalid, refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

EVIDENCE_UNSUPPORTED = ("appeal", "enhanced_evidence")


@routes.get("/v1/disputes/<id>", DisputeRetrieveParams)
def retrieve(tx: Transaction, params: Params, dispute_id: str) -> Object:
    return tx.path_object(KIND, dispute_id)


@routes.get("/v1/disputes", DisputeListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(dispute: Object) -> bool:
        return all(
            dispute[name] == params.get(name, dispute[name])
            for name in ("charge", "payment_intent")
        )

    return list_page(tx, KIND, params, url="/v1/disputes", where=wanted)


@routes.post("/v1/disputes/<id>", DisputeUpdateParams)
def update(tx: Transaction, params: Params, dispute_id: str) -> Object:
    """Store evidence, and submit it to the bank unless ``submit`` is false."""
    refuse_unsupported(params, "intended_submission_method")
    dispute = tx.path_object(KIND, dispute_id)
    evidence = params.get("evidence", {})
    refuse_unsupported(evidence, *EVIDENCE_UNSUPPORTED)
    submits = params.get("submit", bool(evidence))
    if (evidence or submits) and dispute["status"] not in disputes.ANSWERABLE:
        raise invalid(f"This dispute is {dispute['status']}: evidence can no longer be sent.")
    with tx.updating(dispute, "charge.dispute.updated"):
        merge_metadata(dispute, params.get("metadata"))
        assign(dispute["evidence"], evidence, *evidence)
        has_any = any(value for name, value in dispute["evidence"].items() if _is_own(name))
        dispute["evidence_details"]["has_evidence"] = has_any
        if submits:
            disputes.submit_evidence(dispute)
    if submits:
        disputes.apply_test_evidence(tx, dispute)
    return dispute


@routes.post("/v1/disputes/<id>/close", DisputeCloseParams)
def close(tx: Transaction, params: Params, dispute_id: str) -> Object:
    """Accept the dispute as lost."""
    dispute = tx.path_object(KIND, dispute_id)
    if dispute["status"] != "needs_response":
        raise invalid(
            f"This dispute is {dispute['status']}: only a dispute that needs a response can be "
            "closed."
        )
    disputes.decide_dispute(tx, dispute, "lost")
    return dispute


def _is_own(name: str) -> bool:
    return name not in EVIDENCE_UNSUPPORTED
