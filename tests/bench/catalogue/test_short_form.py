"""A suite's first named choice may stand without its option."""

import pytest

from bench.catalogue.short_form import parse_short_call
from bench.errors import UsageError
from bench.planning.plan import parse_suite


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mechanisms:bias", "mechanisms:kind=bias"),
        ("mechanisms:bias,train=50", "mechanisms:kind=bias,train=50"),
        ("mechanisms:horizon,horizon=4,tasks=2", "mechanisms:horizon=4,kind=horizon,tasks=2"),  # a kind and an option
        ("mechanisms:kind=bias", "mechanisms:kind=bias"),
        ("mechanisms", "mechanisms:kind=parity"),
        ("linear_synthetic:sparse", "linear_synthetic:noise=1.0,tasks=20,train=25,truth=sparse"),
    ],
)
def test_the_canonical_text_has_the_option(text: str, canonical: str) -> None:
    assert parse_suite(text)[0].canonical == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("synthetic:tasks", "The options of `synthetic` should read key=value,key=value. Found `tasks`."),
        ("synthetic:both", "`inputs` of `synthetic` should be `shared` or `own`. Found `inputs = both`."),
        ("landmine:small", "The options of `landmine` should read key=value,key=value. Found `small`."),
        ("mechanisms:train=50,bias", "The options of `mechanisms` should read key=value,key=value. Found `bias`."),
        ("mechanisms:bias,kind=bias", "`mechanisms` should be given each option once. Found `kind` twice."),
        ("mechanisms:", "The options of `mechanisms` should read key=value,key=value. Found ``."),
    ],
)
def test_other_words_get_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_suite(text)
    assert str(caught.value) == message


def test_a_name_that_is_no_suite_is_read_as_it_stands() -> None:
    with pytest.raises(UsageError, match=r"key=value,key=value\. Found `split`"):
        parse_short_call("hard:split")
