"""One reference to what answers, and who still holds on to the one before."""

from contextlib import suppress

from byok.web.access import AccessLog
from byok.web.generation import Current, Generation
from byok.web.places import Place


class Nowhere:
    def find(self, path: bytes) -> Place:
        raise AssertionError("nobody asks")


def generation(name: str, gone: list[str]) -> Generation:
    return Generation(
        id=name,
        places=Nowhere(),
        access=AccessLog(clock=None),  # type: ignore[arg-type]
        let_go=lambda: gone.append(name),
    )


def test_a_visit_keeps_the_generation_it_began_with():
    gone: list[str] = []
    current = Current(generation("g1", gone))

    with current.visit() as held:
        current.replace(generation("g2", gone))

        assert held.id == "g1"
        assert current.generation.id == "g2"
        assert gone == []
    assert gone == ["g1"]


def test_what_nobody_holds_is_let_go_at_once():
    gone: list[str] = []
    current = Current(generation("g1", gone))

    current.replace(generation("g2", gone))

    assert gone == ["g1"]


def test_the_last_of_several_visits_lets_go_and_the_one_in_use_is_never_let_go():
    gone: list[str] = []
    current = Current(generation("g1", gone))

    with current.visit(), current.visit():
        current.replace(generation("g2", gone))
        with current.visit() as held:
            assert held.id == "g2"
        assert gone == []

    assert gone == ["g1"]


def test_a_visit_that_fails_holds_on_to_nothing():
    gone: list[str] = []
    current = Current(generation("g1", gone))

    with suppress(ZeroDivisionError), current.visit():
        current.replace(generation("g2", gone))
        assert 1 / 0

    assert gone == ["g1"]
