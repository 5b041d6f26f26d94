"""What others rely on, written down: the API's document and the database's schema.

A change of either shows in review as a change of a file here. After one that is meant:
``TOLLGATE_WRITE_CONTRACT=1 pytest tests/contract``.
"""
