"""Begin a new history of positions, when positions are given a second time."""

import structlog

from common.ids import new_id
from events.log import selectors
from events.models import LogHead

log = structlog.get_logger(__name__)


def begin(*, instead_of: str) -> str:
    """Rename the history, unless another process has: cursors of the earlier one are then refused
    (``events-rewound``). Call it when the database has been restored from a copy. Returns the name.
    """
    name = new_id("log")
    if LogHead.objects.filter(pk=selectors.HEAD, epoch=instead_of).update(epoch=name):
        log.error("log_rewound", before=instead_of, now=name)
        return name
    return selectors.epoch()
