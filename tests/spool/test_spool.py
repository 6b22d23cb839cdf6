"""What was appended is in a file, and trouble with one append is none of the next."""

import os
import resource
import shutil
import stat
from contextlib import contextmanager

import pytest
from twisted.logger import capturedLogs

from byok.spool import places
from byok.spool.faults import RecordTooLong, SpoolFull, SpoolUnavailable
from byok.spool.frames import HEAD_BYTES, MOST_PAYLOAD_BYTES, read_frames
from byok.spool.spool import Spool


class Time:
    """A clock that somebody sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def opened(directory):
    spools = []

    def make(**options):
        spools.append(Spool(directory, **options))
        return spools[-1]

    yield make
    for each in spools:
        each.close()


def kept(directory):
    """Return the payloads in the files of *directory*, torn ones left out."""
    found = []
    for path in sorted(directory.glob("*.frames")):
        data = path.read_bytes()
        frames = read_frames(
            data, most=10**6, most_bytes=10**9, is_end=True, is_final=True
        )
        found += [each.payload for each in frames.frames]
    return found


@contextmanager
def file_size_limit(most):
    """Let no file grow over *most* bytes: a write that would takes what still fits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def critical(events):
    return [
        str(each["log_format"])
        for each in events
        if each["log_level"].name == "critical"
    ]


def test_what_is_appended_is_in_a_file_when_append_returns(directory, opened):
    spool = opened()

    spool.append(b"one")
    spool.append(b"two")

    assert kept(directory) == [b"one", b"two"]
    assert spool.appended == 2
    assert spool.held_bytes == 6 + 2 * HEAD_BYTES == 2 * spool.mean_bytes


def test_files_are_closed_to_all_but_their_owner(directory, opened):
    directory.mkdir(mode=0o755)
    opened().append(b"one")

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()}
    assert modes == {0o600}


def test_a_full_file_is_followed_by_another(directory, opened):
    spool = opened(segment_bytes=50)

    for at in range(6):
        spool.append(b"record %d" % at)

    assert len(list(directory.glob("*.frames"))) == 3
    assert kept(directory) == [b"record %d" % at for at in range(6)]


def test_an_old_file_is_followed_by_another(directory, opened):
    time = Time()
    spool = opened(segment_s=30, now=time)
    spool.append(b"one")
    time.now += 29
    spool.append(b"two")
    spool.seal_idle()
    assert len(list(directory.glob("*.frames"))) == 1

    time.now += 1
    spool.append(b"three")

    assert len(list(directory.glob("*.frames"))) == 2
    time.now += 30
    spool.seal_idle()
    spool.append(b"four")
    assert len(list(directory.glob("*.frames"))) == 3


def test_two_spools_in_one_directory_have_files_of_their_own(directory, opened):
    one, two = opened(), opened()

    one.append(b"one")
    two.append(b"two")

    assert one.writer != two.writer
    assert sorted(kept(directory)) == [b"one", b"two"]
    for each in (one, two):
        assert places.is_locked(places.writer_lock(directory, each.writer))


def test_a_record_that_is_too_long_is_not_begun(directory, opened):
    spool = opened()
    with pytest.raises(RecordTooLong):
        spool.append(bytes(MOST_PAYLOAD_BYTES + 1))

    spool.append(bytes(MOST_PAYLOAD_BYTES))

    assert [len(each) for each in kept(directory)] == [MOST_PAYLOAD_BYTES]


def test_a_disk_that_fills_in_mid_record_spoils_no_other_record(directory, opened):
    spool = opened()
    spool.append(b"before")
    size = next(directory.glob("*.frames")).stat().st_size

    with capturedLogs() as events, file_size_limit(size + 10):
        for _ in range(3):
            with pytest.raises(SpoolUnavailable):
                spool.append(b"torn in the middle")
    assert len(critical(events)) == 1
    assert next(directory.glob("*.frames")).stat().st_size == size
    assert "cannot be written" in (spool.trouble or "")

    spool.append(b"after")

    assert kept(directory) == [b"before", b"after"]
    assert spool.trouble is None


def test_a_torn_record_that_cannot_be_taken_back_gets_no_followers(directory, opened):
    spool = opened()
    spool.append(b"before")
    # Only to be read: neither written nor cut.
    path = next(directory.glob("*.frames"))
    os.close(spool._descriptor)
    spool._descriptor = os.open(path, os.O_RDONLY)

    with pytest.raises(SpoolUnavailable):
        spool.append(b"lost")
    spool.append(b"after")

    assert kept(directory) == [b"before", b"after"]
    assert len(list(directory.glob("*.frames"))) == 2


def test_trouble_that_is_over_is_noticed_though_nobody_appends(directory, opened):
    spool = opened()
    spool.append(b"before")
    size = next(directory.glob("*.frames")).stat().st_size

    with file_size_limit(size + 10):
        with pytest.raises(SpoolUnavailable):
            spool.append(b"torn in the middle")
        spool.look(places.held(directory))
        assert spool.trouble is not None

    spool.look(places.held(directory))

    assert spool.trouble is None


def test_over_the_ceiling_it_says_so_and_takes_what_is_under_way(directory, opened):
    length = HEAD_BYTES + 10
    spool = opened(ceiling_bytes=2 * length, headroom_bytes=2 * length)
    spool.append(bytes(10))
    assert not spool.is_full
    spool.append(bytes(10))

    with capturedLogs() as events:
        for _ in range(3):
            spool.look(places.held(directory))
    assert spool.is_full
    assert spool.trouble == f"the spool holds {2 * length} of {2 * length} bytes"
    assert len(critical(events)) == 1

    spool.append(bytes(10))
    spool.append(bytes(10))
    for _ in range(2):
        with pytest.raises(SpoolFull):
            spool.append(bytes(10))
    assert len(kept(directory)) == 4
    assert spool.refused == 2


def test_room_that_was_made_is_used_again(directory, opened):
    length = HEAD_BYTES + 10
    spool = opened(ceiling_bytes=length, headroom_bytes=0, segment_bytes=1)
    spool.append(bytes(10))
    spool.look(places.held(directory))
    with pytest.raises(SpoolFull):
        spool.append(bytes(10))

    spool.seal()
    next(directory.glob("*.frames")).unlink()
    spool.look(places.held(directory))

    assert spool.trouble is None
    assert not spool.is_full
    spool.append(bytes(10))


def test_the_ceiling_is_for_all_who_spool_into_one_directory(directory, opened):
    one, two = opened(ceiling_bytes=50, headroom_bytes=0), opened(ceiling_bytes=50)
    two.append(bytes(40))

    one.look(places.held(directory))

    assert one.is_full
    with pytest.raises(SpoolFull):
        one.append(b"x")


def test_a_directory_that_was_removed_is_made_again_with_what_was_in_the_file(
    directory, opened
):
    spool = opened()
    spool.append(b"one")
    shutil.rmtree(directory)
    spool.append(b"two")

    with capturedLogs() as events:
        spool.look(places.held(directory))

    assert kept(directory) == [b"one", b"two"]
    assert len(critical(events)) == 1
    spool.append(b"three")
    assert kept(directory) == [b"one", b"two", b"three"]
    assert places.is_locked(places.writer_lock(directory, spool.writer))


def test_an_empty_spool_whose_directory_was_removed_goes_on(directory, opened):
    spool = opened()
    shutil.rmtree(directory)

    spool.look(places.held(directory))
    spool.append(b"one")

    assert kept(directory) == [b"one"]


def test_a_directory_that_cannot_be_made_again_is_waited_for(directory, opened):
    spool = opened()
    spool.append(b"one")
    shutil.rmtree(directory)
    directory.write_text("in the way")

    spool.look(places.held(directory.parent))
    assert "its files are gone" in (spool.trouble or "")
    directory.unlink()
    spool.look(places.held(directory))

    assert kept(directory) == [b"one"]
    spool.append(b"two")
    assert kept(directory) == [b"one", b"two"]
    assert spool.trouble is None


def test_a_disk_that_is_full_when_the_directory_is_made_again_is_waited_for(
    directory, opened
):
    spool = opened()
    spool.append(bytes(100))
    shutil.rmtree(directory)

    with file_size_limit(20):
        spool.look(places.held(directory))
        assert "its files are gone" in (spool.trouble or "")
    spool.look(places.held(directory))

    assert bytes(100) in kept(directory)
    spool.append(b"two")
    assert kept(directory).count(b"two") == 1


def test_a_spool_without_a_place_says_where(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SpoolUnavailable, match="file"):
        Spool(tmp_path / "file" / "spool")


def test_a_closed_spool_takes_nothing_and_leaves_no_lock(directory, opened):
    spool = opened()
    spool.close()
    spool.close()

    with pytest.raises(SpoolUnavailable):
        spool.append(b"late")
    spool.look(places.held(directory))
    assert list(directory.iterdir()) == []


def test_a_closed_spool_leaves_what_nobody_drained(directory, opened):
    spool = opened()
    spool.append(b"one")
    spool.close()

    assert kept(directory) == [b"one"]
    assert not places.is_locked(places.writer_lock(directory, spool.writer))
