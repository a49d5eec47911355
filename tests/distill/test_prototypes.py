"""Prototypes: closed forms, what they are blind to, confidence against the truth, and bad input."""

import hashlib
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from support.prototype_worlds import LEVELS, bump, world

from physioaffect.distill.geometry import falls_with_distance, grid_geometry
from physioaffect.distill.grid import grid_cells
from physioaffect.distill.prototypes import Prototypes, valence_arousal_prototypes
from physioaffect.errors import DataError

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, n: int = 30, n_dims: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n_dims)) + 0.5, *rng.choice(LEVELS, (2, n))


def test_by_hand() -> None:
    # Two windows in one cell at right angles, of lengths 3 and 1, which do not count; one window alone.
    found = valence_arousal_prototypes([[3, 0], [0, 1], [0, -2]], [-1, -1, 1], [0.1, 0, 1], k=2)
    assert_allclose(found.vectors[1], [np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-6)
    assert_array_equal(found.vectors[3], [0, -1])
    assert_array_equal(found.counts, [0, 2, 0, 1])
    assert_array_equal(found.filled_from, [1, 1, 3, 3])
    assert_array_equal(found.is_empty, [True, False, True, False])
    assert found.n_empty == 2
    assert_allclose(found.similarity[1], [1, 1, -np.sqrt(0.5), -np.sqrt(0.5)], atol=1e-7)
    assert_array_equal(found.centres, [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])


@given(SEEDS, st.integers(1, 9))
def test_equals_a_loop_over_cells(seed: int, k: int) -> None:
    X, valence, arousal = drawn(seed)
    weights = np.random.default_rng(seed + 1).random(len(X))
    found = valence_arousal_prototypes(X, valence, arousal, k=k, weights=weights)
    cells = grid_cells(valence, arousal, k=k)
    for cell in range(k * k):
        source = found.filled_from[cell]
        own = cells == source
        mean = (weights[own, None] * X[own] / np.linalg.norm(X[own], axis=1)[:, None]).sum(axis=0)
        assert_allclose(found.vectors[cell], mean / np.linalg.norm(mean), atol=1e-6)
        assert found.counts[cell] == (cells == cell).sum()


@given(SEEDS, st.integers(1, 9))
def test_unit_vectors_and_copies_that_equal_their_source(seed: int, k: int) -> None:
    found = valence_arousal_prototypes(*drawn(seed), k=k)
    assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert_array_equal(found.vectors, found.vectors[found.filled_from])
    assert_array_equal(found.is_empty, found.counts == 0)
    assert (found.confidence[found.is_empty] == 0).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


@given(SEEDS)
def test_a_rotation_of_embeddings_rotates_prototypes_and_leaves_the_rest(seed: int) -> None:
    X, valence, arousal = drawn(seed)
    rotation = ortho_group.rvs(X.shape[1], random_state=seed)
    plain, turned = (valence_arousal_prototypes(one, valence, arousal) for one in (X, X @ rotation))
    assert_allclose(turned.vectors, plain.vectors @ rotation, atol=1e-5)
    assert_allclose(turned.similarity, plain.similarity, atol=1e-5)
    assert_allclose(turned.confidence, plain.confidence, atol=1e-5)


@given(SEEDS)
def test_blind_to_the_order_of_windows_to_their_lengths_and_to_the_scale_of_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, valence, arousal = drawn(seed)
    weights, people = rng.random(len(X)) + 0.1, rng.integers(0, 4, len(X))
    order, lengths = rng.permutation(len(X)), rng.uniform(0.01, 100, len(X))
    first = valence_arousal_prototypes(X, valence, arousal, weights=weights, people=people)
    other = valence_arousal_prototypes(
        (X * lengths[:, None])[order],
        valence[order],
        arousal[order],
        weights=1e6 * weights[order],
        people=[f"S{one}" for one in people[order]],
    )
    assert_allclose(first.vectors, other.vectors, atol=1e-6)
    assert_allclose(first.confidence, other.confidence, atol=1e-5)
    assert_array_equal(first.counts, other.counts)
    assert_array_equal(first.n_people, other.n_people)


@given(SEEDS)
def test_equal_weights_are_none_and_a_whole_weight_is_a_repetition(seed: int) -> None:
    X, valence, arousal = drawn(seed)
    plain = valence_arousal_prototypes(X, valence, arousal)
    weighted = valence_arousal_prototypes(X, valence, arousal, weights=np.full(len(X), 7.0))
    assert_allclose(weighted.vectors, plain.vectors, atol=1e-6)
    assert_allclose(weighted.confidence, plain.confidence, atol=1e-5)
    times = np.random.default_rng(seed).integers(0, 4, len(X)) + (np.arange(len(X)) == 0)
    repeated = valence_arousal_prototypes(*(np.repeat(one, times, axis=0) for one in (X, valence, arousal)))
    by_weight = valence_arousal_prototypes(X, valence, arousal, weights=times)
    # Copies aside: which cell an empty one is filled from depends on how many windows there are.
    filled = ~by_weight.is_empty
    assert_array_equal(filled, ~repeated.is_empty)
    assert_allclose(repeated.vectors[filled], by_weight.vectors[filled], atol=1e-6)


def test_a_window_of_weight_zero_is_not_there() -> None:
    found = valence_arousal_prototypes(
        np.array([[1, 0], [np.nan, 0]]), [0.5, -0.5], [0, 0], k=2, weights=[1, 0], people=[7, 8]
    )
    assert_array_equal(found.counts, [0, 0, 0, 1])
    assert_array_equal(found.n_people, [0, 0, 0, 1])


def test_confidence_in_closed_form() -> None:
    # Two windows at an angle a: R ** 2 = (1 + cos a) / 2, the mean over pairs of different windows cos a.
    for angle in (0.1, 0.7, 1.4, 1.6):
        X = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])
        expected = max(0, np.cos(angle)) / ((1 + np.cos(angle)) / 2)
        for people in (None, ["a", "b"]):
            found = valence_arousal_prototypes(X, [0, 0], [0, 0], k=1, people=people)
            assert found.confidence[0] == pytest.approx(expected, abs=1e-6)
        # Of one person, however many windows, it says nothing about others.
        assert valence_arousal_prototypes(X, [0, 0], [0, 0], k=1, people=["a", "a"]).confidence[0] == 0
    assert valence_arousal_prototypes([[1, 0]], [0], [0], k=1).confidence[0] == 0


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_confidence_is_the_squared_cosine_with_what_endlessly_many_people_would_give(spread: float) -> None:
    rng = np.random.default_rng(0)
    n_dims, n_people, n_windows = 64, 12, 5
    truth = np.eye(n_dims)[0]
    said, true = [], []
    for _ in range(200):
        own = spread * rng.standard_normal((n_people, 1, n_dims)) / 8
        X = truth + own + rng.standard_normal((n_people, n_windows, n_dims)) / 8
        found = valence_arousal_prototypes(
            X.reshape(-1, n_dims), *np.zeros((2, 60)), k=1, people=np.repeat(np.arange(n_people), n_windows)
        )
        said.append(found.confidence[0])
        true.append((found.vectors[0] @ truth) ** 2)
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.01)
    # Windows taken for people promise more than is true.
    naive = valence_arousal_prototypes(X.reshape(-1, n_dims), *np.zeros((2, 60)), k=1).confidence[0]
    assert naive > said[-1]


def test_counts_of_people() -> None:
    found = valence_arousal_prototypes(
        np.ones((5, 2)), [1, 1, 1, -1, -1], np.zeros(5), k=2, people=["a", "a", "b", "b", "b"]
    )
    assert_array_equal(found.n_people, [0, 1, 0, 2])
    assert valence_arousal_prototypes(np.ones((1, 2)), [0], [0]).n_people is None


def test_ratings_of_five_values_leave_24_cells_of_7_x_7_empty_and_none_of_5_x_5() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.choice(LEVELS, (2, 5000))
    X = rng.standard_normal((5000, 3)) + 1
    assert valence_arousal_prototypes(X, *ratings, k=7).n_empty == 24
    assert valence_arousal_prototypes(X, *ratings, k=5).n_empty == 0


def test_a_planted_geometry_is_found_and_none_where_there_is_none() -> None:
    planted = world(0, signal=3.0, levels=np.linspace(-1, 1, 200))
    found = valence_arousal_prototypes(planted.X, planted.valence, planted.arousal, people=planted.people)
    planted_geometry = grid_geometry(found)
    assert planted_geometry.correlation > 0.6
    assert planted_geometry.p_value == 0.001
    clean = valence_arousal_prototypes(
        bump(*np.array(found.centres).T), *found.centres.T
    )  # Without noise similarity falls with distance all but throughout: the bells end at the edges.
    assert falls_with_distance(clean.similarity, np.arange(25), 5) > 0.97
    null = world(0, signal=0.0, levels=np.linspace(-1, 1, 200))
    nothing = valence_arousal_prototypes(null.X, null.valence, null.arousal, people=null.people)
    assert abs(grid_geometry(nothing).correlation) < 0.2
    assert nothing.similarity.min() > 0.8  # High similarity says nothing: all share a direction.


def test_noise_goes_with_the_root_of_the_windows() -> None:
    rng = np.random.default_rng(1)
    angles = []
    for n in (100, 10_000):
        X = np.eye(32)[0] + rng.standard_normal((n, 32))
        found = valence_arousal_prototypes(X, np.zeros(n), np.zeros(n), k=1)
        angles.append(np.arccos(found.vectors[0, 0]))
    assert angles[0] / angles[1] == pytest.approx(10, rel=0.35)


def test_the_digest_is_that_of_the_content() -> None:
    X, valence, arousal = drawn(3)
    origin = {"teacher": "cnn", "seeds": (1, 2)}
    first = valence_arousal_prototypes(X, valence, arousal, origin=origin)
    again = valence_arousal_prototypes(X, valence, arousal, origin=dict(reversed(origin.items())))
    assert first.digest == again.digest
    assert first.origin == {"teacher": "cnn", "seeds": [1, 2]}
    fields: dict[str, Any] = {
        "k": first.k,
        "vectors": first.vectors,
        "counts": first.counts,
        "confidence": first.confidence,
        "filled_from": first.filled_from,
        "origin": first.origin,
    }
    vectors = first.vectors.copy()
    vectors[0, 0] = np.nextafter(vectors[0, 0], 1)
    full = np.arange(25)
    changes: list[dict] = [
        {"vectors": vectors, "filled_from": full},
        {"filled_from": full},
        {"counts": first.counts + 1},
        {"confidence": first.confidence / 2},
        {"n_people": first.counts},
        {"origin": {**first.origin, "teacher": "gnn"}},
    ]
    digests = [Prototypes(**{**fields, **change}).digest for change in changes]
    assert len({first.digest, *digests}) == 1 + len(changes)
    assert Prototypes(**fields).digest == first.digest


def test_the_digest_by_hand() -> None:
    # Written out, so that no later version or other machine gives the same content another name.
    content = b'{"format":1,"k":1,"n_dims":2,"origin":{"a":"\\u00b5"}}'
    content += (
        b"\nvectors (1, 2)\n" + struct.pack("<2f", 0.0, 1.0) + b"\ncounts (1,)\n" + struct.pack("<q", 3)
    )
    content += (
        b"\nconfidence (1,)\n" + struct.pack("<f", 0.5) + b"\nfilled_from (1,)\n" + struct.pack("<q", 0)
    )
    content += b"\nn_people none\n"
    for zero in (0.0, -0.0):
        found = Prototypes(
            vectors=np.array([[zero, 1.0]], dtype=np.float32),
            k=1,
            counts=np.array([3]),
            confidence=np.array([0.5], dtype=np.float32),
            filled_from=np.array([0]),
            origin={"a": "µ"},
        )
        assert found.digest == hashlib.sha256(content).hexdigest()


def test_frozen() -> None:
    found = valence_arousal_prototypes(*drawn(0))
    with pytest.raises(ValueError, match="read-only"):
        found.vectors[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.similarity[0, 0] = 1
    with pytest.raises(AttributeError):
        found.k = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("X", "options", "said"),
    [
        ([[1, 0], [0, 0]], {}, "window 1 is all zeros and has no direction. Leave such windows out"),
        ([[1, 0], [0, np.nan]], {}, "window 1 has a value that is no number"),
        ([[1, 0], [0, np.inf]], {}, "window 1 has a value that is no number"),
        ([[1, 0]], {}, r"a row of real numbers for each of 2 ratings, got int64 of shape \(1, 2\)"),
        (np.ones(2), {}, r"must be \(n_windows, n_dims\)"),
        ([["a"], ["b"]], {}, "real numbers"),
        (np.ones((2, 0)), {}, r"no embeddings to average: their shape is \(2, 0\)"),
        ([[1, 0], [-1, 0]], {}, r"cell 24 of 5 x 5 \(2 windows\) cancel out"),
        (np.eye(2), {"weights": [1]}, r"Weights must be one for each of 2 windows, got shape \(1,\)"),
        (np.eye(2), {"weights": [1, -1]}, "not negative, got -1 as the smallest"),
        (np.eye(2), {"weights": [1, np.nan]}, "1 that are not finite"),
        (np.eye(2), {"weights": [0, 0]}, "no window with a weight above 0"),
        (np.eye(2), {"people": ["a"]}, r"People must be one for each of 2 windows, got shape \(1,\)"),
        (np.eye(2), {"origin": {"x": np.ones(2)}}, "must be what JSON can hold.*Turn arrays into lists"),
        (np.eye(2), {"origin": {"x": np.nan}}, "must be what JSON can hold"),
    ],
)
def test_bad_input(X: object, options: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        valence_arousal_prototypes(X, [1, 1], [1, 1], **options)  # type: ignore[arg-type]


def test_no_windows() -> None:
    with pytest.raises(DataError, match="no window"):
        valence_arousal_prototypes(np.ones((0, 3)), [], [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vectors": np.ones((4, 2))}, "unit vectors; that of cell 0 is not. Divide each by its length"),
        ({"vectors": np.full((4, 2), np.nan)}, "unit vectors"),
        ({"vectors": np.eye(2)}, r"2 x 2 grid are \(4, n_dims\), got \(2, 2\)"),
        ({"counts": [1]}, r"counts of a 2 x 2 grid must have shape \(4,\), got \(1,\)"),
        ({"counts": [1, 1, 1, -1]}, "cannot be negative"),
        ({"confidence": [0, 0, 0, 2]}, r"must lie in \[0, 1\]"),
        ({"confidence": [0, 0, 0, np.nan]}, r"must lie in \[0, 1\]"),
        ({"filled_from": [0, 1, 2, 4]}, "a filled one among 0 to 3"),
        ({"filled_from": [1, 0, 2, 3]}, "its own number if it is filled"),
        ({"filled_from": [1, 1, 2, 3]}, "must equal that of the cell that it is filled from"),
    ],
)
def test_prototypes_that_cannot_be(change: dict, said: str) -> None:
    fields = {
        "vectors": np.eye(4),
        "k": 2,
        "counts": np.ones(4),
        "confidence": np.ones(4),
        "filled_from": np.arange(4),
    }
    with pytest.raises(DataError, match=said):
        Prototypes(**{**fields, **change})


@settings(max_examples=20)
@given(SEEDS)
def test_huge_and_tiny_embeddings(seed: int) -> None:
    X, valence, arousal = drawn(seed)
    scales = 10.0 ** np.random.default_rng(seed).integers(-30, 30, len(X))
    plain = valence_arousal_prototypes(X.astype(np.float32), valence, arousal)
    scaled = valence_arousal_prototypes((X * scales[:, None]).astype(np.float32), valence, arousal)
    assert_allclose(scaled.vectors, plain.vectors, atol=1e-5)


def test_without_torch_or_plots() -> None:
    code = (
        "import sys; import physioaffect.distill.prototype_files, physioaffect.distill.stability, "
        "physioaffect.distill.controls, physioaffect.distill.prototype_plots; "
        "print([name for name in ('torch', 'matplotlib', 'mne', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
