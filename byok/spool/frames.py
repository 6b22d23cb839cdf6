"""
How a record stands in a file: marked, measured, checked and dated.

A file ends anywhere when a machine loses power, and may be damaged anywhere. So each
record begins with a mark that no JSON text holds, and carries its length and a
checksum: whatever is not a whole record is passed over, and the next one is found.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

# 0xff is in no UTF-8 text. The digit is the version of this layout.
MARK = b"\xffbk1"
_HEAD = struct.Struct("<4sIId")
_CHECKED = struct.Struct("<Id")

HEAD_BYTES = _HEAD.size
"""How much a record takes beside its payload."""

MOST_PAYLOAD_BYTES = 256 * 1024
"""How long a payload may be."""

MOST_FRAME_BYTES = HEAD_BYTES + MOST_PAYLOAD_BYTES
"""How long a record can be with all that is around it."""


class Frame(NamedTuple):
    """One record as it was read: where it begins and ends, and when it was written."""

    start: int
    end: int
    at: float
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """
    What was read of one stretch of a file.

    `end` is where to read on. `lost_bytes` is how much of it was no record.
    """

    frames: tuple[Frame, ...]
    end: int
    lost_bytes: int


def framed(payload: bytes, at: float) -> bytes:
    """Return *payload*, written *at* that time, as it stands in a file."""
    length = len(payload)
    return _HEAD.pack(MARK, length, _sum(length, at, payload), at) + payload


def written_at(head: bytes) -> float | None:
    """Return when the record that begins with *head* was written, if it is one."""
    if len(head) < HEAD_BYTES:
        return None
    mark, _, _, at = _HEAD.unpack_from(head)
    return float(at) if mark == MARK else None


def read_frames(
    data: bytes, *, most: int, most_bytes: int, is_end: bool, is_final: bool
) -> Frames:
    """
    Return the records that *data* begins with: *most* of them, about *most_bytes*.

    *is_end* says that the file holds no more now, and *is_final* that it never will:
    only then is a record that breaks off lost, and not merely unfinished. There has
    to be room for a whole record in *data*, or it reaches to the end.
    """
    found: list[Frame] = []
    at = lost = 0
    while at < len(data) and len(found) < most and at < most_bytes:
        frame = _frame_at(data, at)
        if frame is not None:
            found.append(frame)
            at = frame.end
            continue
        if _may_go_on(data, at) and not (is_end and is_final):
            break
        after = _next_mark(data, at + 1, is_end=is_end and is_final)
        lost += after - at
        at = after
    return Frames(frames=tuple(found), end=at, lost_bytes=lost)


def _frame_at(data: bytes, at: int) -> Frame | None:
    start = at + HEAD_BYTES
    if len(data) < start:
        return None
    mark, length, checksum, written = _HEAD.unpack_from(data, at)
    if mark != MARK or length > MOST_PAYLOAD_BYTES or len(data) < start + length:
        return None
    payload = data[start : start + length]
    if _sum(length, written, payload) != checksum:
        return None
    return Frame(start=at, end=start + length, at=written, payload=payload)


def _may_go_on(data: bytes, at: int) -> bool:
    """Could this be a record whose end is not here yet?"""
    mark = data[at : at + len(MARK)]
    if not MARK.startswith(mark):
        return False
    if len(data) < at + HEAD_BYTES:
        return True
    length: int = _HEAD.unpack_from(data, at)[1]
    return length <= MOST_PAYLOAD_BYTES and len(data) < at + HEAD_BYTES + length


def _next_mark(data: bytes, at: int, *, is_end: bool) -> int:
    """Return where the next record may begin; at the end, where none does."""
    found = data.find(MARK, at)
    if found >= 0:
        return found
    if is_end:
        return len(data)
    # The mark may be cut in two by the end of what was read.
    for kept in range(len(MARK) - 1, 0, -1):
        if data.endswith(MARK[:kept]) and len(data) - kept >= at:
            return len(data) - kept
    return len(data)


def _sum(length: int, at: float, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, at)))
