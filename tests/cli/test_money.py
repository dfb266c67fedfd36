"""Money at a terminal: written in one way, and read as people write it."""

import pytest

from service.cli.words import micros, money


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ((2_990_000, "USD"), "2.99 USD"),
        ((1_234_500_000, "USD"), "1,234.50 USD"),
        ((103_103, "EUR"), "0.103103 EUR"),
        ((-2_030_000, "USD"), "-2.03 USD"),
        ((0, None), "0.00"),
        ((None, "USD"), "–"),
        ((9_007_199_254_740_993, "USD"), "9,007,199,254.740993 USD"),
    ],
)
def test_an_amount_is_told_to_the_cent_and_further_where_there_is_more(
    amount: tuple[int | None, str | None], told: str
):
    assert money(*amount) == told


@pytest.mark.parametrize(("text", "amount"), [("2.99", 2_990_000), ("0", 0), ("0.000001", 1), ("1e2", 100_000_000)])
def test_an_amount_is_read_exactly(text: str, amount: int):
    assert micros(text) == amount


@pytest.mark.parametrize("text", ["2,99", "", "x", "-1", "0.0000001", "NaN", "Infinity", "1_0x"])
def test_what_is_no_amount_is_refused_with_the_mend(text: str):
    with pytest.raises(ValueError, match=r"must be an amount.*, as 2\.99"):
        micros(text)
