"""Filters between long gaps."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from physioaffect.signals.pieces import filtered_in_pieces, held, pieces


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 10))
def test_pieces_hold_every_sample_once_and_no_long_gap(missing: list[bool], longest: int) -> None:
    is_missing = np.array(missing, dtype=bool)
    found = list(pieces(is_missing, longest=longest))
    covered = np.zeros(len(is_missing), dtype=int)
    for piece in found:
        covered[piece] += 1
        own = is_missing[piece]
        assert not own[0]
        assert not own[-1]
        runs = "".join("x" if gap else " " for gap in own).split()
        assert all(len(run) <= longest for run in runs)
    assert (covered[~is_missing] == 1).all()
    assert covered.max(initial=0) <= 1
    # Between two pieces there is a gap that is too long.
    for one, other in pairwise(found):
        assert other.start - one.stop > longest


def test_a_causal_filter_holds_the_past_over_a_gap_and_another_draws_a_line() -> None:
    x = np.array([1.0, np.nan, np.nan, 4.0])
    seen: list[np.ndarray] = []

    def run(piece: np.ndarray) -> np.ndarray:
        seen.append(piece)
        return 2 * piece

    for causal in (True, False):
        assert_array_equal(filtered_in_pieces(x, run, longest=2, causal=causal), 2 * x)
    assert_array_equal(seen, [[1, 1, 1, 4], [1, 2, 3, 4]])
    assert_array_equal(held(x, np.isnan(x)), [1, 1, 1, 4])


def test_what_lies_behind_a_long_gap_changes_nothing() -> None:
    x = np.array([1.0, 2.0, np.nan, np.nan, np.nan, 9.0, np.inf])
    done = filtered_in_pieces(x, lambda piece: piece - piece.mean(), longest=2)
    assert_array_equal(done, [-0.5, 0.5, np.nan, np.nan, np.nan, 0, np.nan])
    assert np.isnan(filtered_in_pieces(np.full(3, np.nan), lambda piece: piece, longest=1)).all()
