"""Routes of credit notes."""

from __future__ import annotations

from stripe.params import (
    CreditNoteCreateParams,
    CreditNoteListLinesParams,
    CreditNoteListParams,
    CreditNotePreviewParams,
    CreditNoteRetrieveParams,
    CreditNoteUpdateParams,
    CreditNoteVoidCreditNoteParams,
)

from sandbox.billing import credit_notes
from sandbox.billing.credit_note_lines import KIND as LINES
from sandbox.billing.credit_notes import KIND
from sandbox.errors import refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()


@routes.post("/v1/credit_notes", CreditNoteCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "shipping_cost")
    return credit_notes.issue_note(tx, params)


@routes.get("/v1/credit_notes/preview", CreditNotePreviewParams)
def preview(tx: Transaction, params: Params) -> Object:
    """The credit note that ``create`` would issue; nothing is stored."""
    return create(tx.dry_run(), params)


@routes.get("/v1/credit_notes/<id>", CreditNoteRetrieveParams)
def retrieve(tx: Transaction, params: Params, note_id: str) -> Object:
    return tx.path_object(KIND, note_id)


@routes.post("/v1/credit_notes/<id>", CreditNoteUpdateParams)
def update(tx: Transaction, params: Params, note_id: str) -> Object:
    note = tx.path_object(KIND, note_id)
    with tx.updating(note, "credit_note.updated"):
        assign(note, params, "memo")
        merge_metadata(note, params.get("metadata"))
    return note


@routes.get("/v1/credit_notes", CreditNoteListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(note: Object) -> bool:
        return all(note[name] == params.get(name, note[name]) for name in ("customer", "invoice"))

    return list_page(tx, KIND, params, url="/v1/credit_notes", where=wanted)


@routes.get("/v1/credit_notes/<id>/lines", CreditNoteListLinesParams)
def list_lines(tx: Transaction, params: Params, note_id: str) -> Object:
    ids = {line["id"] for line in tx.path_object(KIND, note_id)["lines"]["data"]}
    url = f"/v1/credit_notes/{note_id}/lines"
    return list_page(
        tx, LINES, params, url=url, where=lambda line: line["id"] in ids, oldest_first=True
    )


@routes.post("/v1/credit_notes/<id>/void", CreditNoteVoidCreditNoteParams)
def void(tx: Transaction, params: Params, note_id: str) -> Object:
    note = tx.path_object(KIND, note_id)
    credit_notes.void_note(tx, note)
    return note
