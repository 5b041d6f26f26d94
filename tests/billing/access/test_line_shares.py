"""Money is divided over lines to the last minor unit."""

from hypothesis import given
from hypothesis import strategies as st

from billing.access.line_shares import divide, divide_receipts
from billing.access.policies import Receipts

weights = st.dictionaries(st.text(max_size=3), st.integers(0, 10**9), min_size=1, max_size=8)


@given(st.integers(0, 10**9), weights, st.sampled_from([1, 10, 100]))
def test_line_shares_add_up_to_the_total(amount: int, weights: dict[str, int], step: int) -> None:
    shares = divide(amount * step, weights, step=step)
    total = sum(weights.values())
    assert sum(shares.values()) == (amount * step if total else 0)
    for key, share in shares.items():
        assert share % step == 0 or amount * step == total
        assert abs(share * total - amount * step * weights[key]) < max(step * total, 1)


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=5),
    st.data(),
)
def test_refunds_of_lines_add_up_to_the_refund_of_the_payment(
    costs: list[int], data: st.DataObject
) -> None:
    named = [data.draw(st.integers(0, cost)) for cost in costs]
    received, in_all = sum(costs), sum(named)
    refunded = in_all + data.draw(st.integers(0, received - in_all))
    lost = data.draw(st.integers(0, received + 10))
    whole = Receipts(received=received, refunded=refunded, lost=lost)
    parts = [
        divide_receipts(whole, cost=cost, named_refunds=back, all_named_refunds=in_all)
        for cost, back in zip(costs, named, strict=True)
    ]
    paid = [(part, cost) for part, cost in zip(parts, costs, strict=True) if cost]
    assert all(part.kept <= cost for part, cost in paid)
    assert sum(part.kept for part, _ in paid) >= whole.kept, "rounding takes from nobody"
    if whole.is_gone:
        assert all(part.is_gone for part, _ in paid)
    for (part, cost), back in zip(
        paid, [b for b, c in zip(named, costs, strict=True) if c], strict=True
    ):
        assert back != cost or part.is_gone
        if not back and refunded == in_all and not lost:
            assert part.kept == cost, "what names another part takes nothing from this one"
