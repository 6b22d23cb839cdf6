from byok.core.harmless import Harmless

A = (b"user-agent", b"claude-cli")
B = (b"x-app", b"cli")


def test_only_fields_that_were_noted_are_known():
    harmless = Harmless()

    harmless.note(A)

    assert harmless.unknown((A, B, A, (b"x-app", b"claude-cli"))) == (
        B,
        (b"x-app", b"claude-cli"),
    )


def test_it_keeps_no_value():
    harmless = Harmless()

    harmless.note(A)

    assert {type(each) for each in harmless._seen} == {int}


def test_it_never_grows_beyond_its_bound():
    harmless = Harmless(most=2)

    for number in range(5):
        harmless.note((b"x", b"%d" % number))

    assert len(harmless._seen) <= 2
    assert harmless.unknown(((b"x", b"4"), (b"x", b"0"))) == ((b"x", b"0"),)
