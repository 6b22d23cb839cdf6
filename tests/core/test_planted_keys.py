from tests.support import keys


def test_markers_are_unique_letters_and_none_contains_another():
    markers = list(keys.MARKERS.values())

    assert all(marker.isalpha() and marker.isascii() for marker in markers)
    for marker in markers:
        assert [other for other in markers if marker.lower() in other.lower()] == [
            marker
        ]


def test_every_planted_secret_carries_exactly_one_marker():
    assert len(keys.ALL_CANARIES) == len(keys.MARKERS)
    found = [
        [marker for marker in keys.MARKERS.values() if marker in value]
        for value in keys.ALL_CANARIES
    ]

    assert all(len(markers) == 1 for markers in found)
    assert len({markers[0] for markers in found}) == len(keys.MARKERS)


def test_every_planted_name_is_among_all_canaries():
    made = {
        value
        for name, value in vars(keys).items()
        if name.isupper() and isinstance(value, str)
    }

    assert made == set(keys.ALL_CANARIES)
