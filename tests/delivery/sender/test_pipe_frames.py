"""Frames arrive whole, however the stream is cut, and within their limits."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sender.messages import SendFault, SendJob, SendPhases, SendResult
from delivery.sender.pipe_frames import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    FrameReader,
    FrameRefused,
    encode_frame,
)

HEADS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-9, 9))


@given(frames=st.lists(st.tuples(HEADS, st.binary(max_size=300))), size=st.integers(1, 50))
def test_frames_survive_any_cut(frames: list[tuple[dict[str, int], bytes]], size: int) -> None:
    stream = b"".join(encode_frame(head, body) for head, body in frames)
    reader = FrameReader()
    arrived = []
    for start in range(0, len(stream), size):
        arrived += list(reader.feed(stream[start : start + size]))
    assert arrived == frames


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ({"x": "y" * MAX_HEAD_BYTES}, b""),
        ({}, b"x" * (MAX_BODY_BYTES + 1)),
        ({"x": "\ud800"}, b""),
        ({"x": b"bytes"}, b""),
    ],
)
def test_what_is_no_frame_is_not_written(head: dict[str, object], body: bytes) -> None:
    with pytest.raises(FrameRefused):
        encode_frame(head, body)


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack(">II", MAX_HEAD_BYTES + 1, 0),
        struct.pack(">II", 2, MAX_BODY_BYTES + 1),
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"{]",
    ],
)
def test_what_is_no_frame_is_not_read(stream: bytes) -> None:
    with pytest.raises(FrameRefused):
        list(FrameReader().feed(stream))


def test_jobs_and_results_travel_without_loss() -> None:
    job = SendJob(
        job_id="dlv_1",
        endpoint_id="whe_1",
        url="https://a.example/",
        headers={"webhook-id": "evt_1"},
        body=b"\x00\xff",
        connect_seconds=1.5,
        total_seconds=2.5,
        allows_http=True,
        ports=(8080,),
        resolve={"a.example": ("93.184.216.34",)},
    )
    result = SendResult(
        job_id="dlv_1",
        status=200,
        fault=SendFault.TIMEOUT,
        sentence="Late.",
        is_cut=True,
        address="93.184.216.34",
        is_reused=True,
        certificate_expires_at=1_800_000_000,
        phases=SendPhases(name=1.0, connect=2.0, tls=3.0, first_byte=4.0, total=10.0),
        headers={"server": "caf\xe9"},
        body=b"\x00\xff",
    )
    stream = encode_frame(job.to_head(), job.body) + encode_frame(result.to_head(), result.body)
    (job_head, job_body), (result_head, result_body) = FrameReader().feed(stream)
    assert SendJob.from_head(job_head, job_body) == job
    assert SendResult.from_head(result_head, result_body) == result
