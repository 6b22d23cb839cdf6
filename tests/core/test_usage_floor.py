"""What is not said of an exchange's use is reckoned from what was seen of it."""

from byok.core.usage import Usage
from byok.core.usage_floor import at_least


def test_figures_of_an_answer_stand():
    usage = Usage(input_tokens=0, output_tokens=None)

    assert at_least(usage, asked_bytes=4000, answered_bytes=4000) is usage


def test_without_figures_both_bodies_count():
    found = at_least(Usage(), asked_bytes=4001, answered_bytes=40)

    assert found == Usage(input_tokens=1001, output_tokens=10, estimated=True)


def test_what_was_read_of_the_answer_is_better_than_its_size():
    usage = Usage(output_tokens=3, estimated=True, model="gpt-9")

    found = at_least(usage, asked_bytes=8, answered_bytes=4000)

    assert (found.input_tokens, found.output_tokens) == (2, 3)
