"""The steps of a process: the calls of the product's functions, and the returns from them."""

import os
import sys
from types import CodeType, FrameType
from typing import Any

from tests.services import ROOT

PRODUCT = tuple(f"{ROOT / name}/" for name in ("common", "events", "delivery", "projects"))


def send_self_at(step: int, number: int) -> None:
    """Send this signal to this process at that step of its main thread, counted from 1."""
    is_product: dict[CodeType, bool] = {}
    left = step

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        code = frame.f_code
        is_ours = is_product.get(code)
        if is_ours is None:
            is_ours = is_product[code] = code.co_filename.startswith(PRODUCT)
        if not is_ours or event not in ("call", "return"):
            return
        left -= 1
        if not left:
            sys.setprofile(None)
            os.kill(os.getpid(), number)

    sys.setprofile(count)
