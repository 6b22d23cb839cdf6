"""A profile names parts and functions by their share of the time."""

import pytest

from benchmarks.exchange.profiling import of_stacks, part_of

LIBRARY = "/srv/.venv/lib/python3.11/site-packages"
STACKS = [
    f"run ({LIBRARY}/twisted/app.py:3);take (/srv/byok/web/front.py:7) 30",
    f"run ({LIBRARY}/twisted/app.py:3);take (/srv/byok/web/front.py:9) 10",
    f"run ({LIBRARY}/twisted/app.py:3) 60",
    f"run ({LIBRARY}/twisted/app.py:3);Reactor.doPoll ({LIBRARY}/twisted/epoll.py:1) 9",
]


def test_waiting_is_no_work():
    assert of_stacks(STACKS).whole == 100


def test_a_function_has_its_own_time_and_that_of_what_it_calls():
    found = of_stacks(STACKS)

    assert dict(found.own) == {
        "take (/srv/byok/web/front.py)": 40,
        "run (twisted/app.py)": 60,
    }
    assert dict(found.below) == {"take (/srv/byok/web/front.py)": 40}
    assert dict(found.parts) == {"byok.web": 40, "twisted": 60}


def test_a_profile_is_printed_in_percent():
    assert "  40.0 %  byok.web" in str(of_stacks(STACKS)).splitlines()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/srv/byok/core/edge.py", "byok.core"),
        ("/srv/byok/service.py", "byok"),
        (f"{LIBRARY}/treq/client.py", "treq"),
        ("/usr/lib/python3.11/json/decoder.py", "the rest of Python"),
        ("~", "built in"),
        ("", "built in"),
    ],
)
def test_a_file_belongs_to_a_part(path, part):
    assert part_of(path) == part
