import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from physioaffect.evaluation.scoring.metrics import (
    auroc,
    balanced_accuracy,
    ccc,
    kappa,
    macro_f1,
    mcc,
    pearson,
)

TARGET = np.array([3.0, -0.5, 2.0, 7.0])
PREDICTION = np.array([2.5, 0.0, 2.0, 8.0])


def test_ccc_of_the_published_check_vector():
    # With 1/N throughout; the same vector gives 0.9777 with 1/(N-1) in the variances only.
    assert_allclose(ccc(TARGET, PREDICTION), 0.9768, atol=5e-5)


def test_ccc_is_pearson_times_the_bias_correction():
    # Lin 1989, eq. (2): rho_c = rho * C_b with v = s_x / s_y and u = (m_x - m_y) / sqrt(s_x s_y).
    v = TARGET.std() / PREDICTION.std()
    u = (TARGET.mean() - PREDICTION.mean()) / np.sqrt(TARGET.std() * PREDICTION.std())
    assert_allclose(ccc(TARGET, PREDICTION), pearson(TARGET, PREDICTION) * 2 / (v + 1 / v + u**2))


def test_ccc_is_one_only_for_the_same_numbers():
    assert_allclose(ccc(TARGET, TARGET), 1)
    assert_allclose(ccc(TARGET, -TARGET + 2 * TARGET.mean()), -1)
    assert ccc(TARGET, TARGET + 1) < 1
    assert ccc(TARGET, 2 * TARGET) < 1


def test_a_constant_prediction_concords_with_nothing():
    assert ccc(TARGET, np.full(4, TARGET.mean())) == 0
    assert np.isnan(ccc(np.ones(4), np.ones(4)))
    assert np.isnan(pearson(TARGET, np.ones(4)))


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=2, max_size=30),
    st.floats(-5, 5),
    st.floats(0.1, 9),
)
def test_ccc_is_symmetric_bounded_and_free_of_the_unit(pairs, shift, scale):
    x, y = np.array(pairs).T
    if x.std() + y.std() + abs(x.mean() - y.mean()) < 1e-6:
        return
    value = ccc(x, y)
    assert -1 - 1e-9 <= value <= 1 + 1e-9
    assert_allclose(ccc(y, x), value, atol=1e-9)
    assert_allclose(ccc(scale * x + shift, scale * y + shift), value, atol=1e-6)


def test_classification_scores_of_a_table_counted_by_hand():
    truth = np.array(["a"] * 6 + ["b"] * 4)
    predicted = np.array(["a"] * 5 + ["b"] + ["b"] * 1 + ["a"] * 3)
    # Recalls 5/6 and 1/4; precisions 5/8 and 1/2.
    assert_allclose(balanced_accuracy(truth, predicted), (5 / 6 + 1 / 4) / 2)
    f1_a, f1_b = 2 * 5 / (2 * 5 + 1 + 3), 2 * 1 / (2 * 1 + 1 + 3)
    assert_allclose(macro_f1(truth, predicted), (f1_a + f1_b) / 2)
    # Agreement 0.6; by chance 0.6 * 0.8 + 0.4 * 0.2.
    assert_allclose(kappa(truth, predicted), (0.6 - 0.56) / (1 - 0.56))
    assert_allclose(mcc(truth, predicted), (5 * 1 - 1 * 3) / np.sqrt(6 * 4 * 8 * 2))


def test_what_is_undefined_is_nan_and_not_a_number():
    one = np.array(["a", "a", "a"])
    assert np.isnan(kappa(one, one))
    assert np.isnan(mcc(one, np.array(["a", "b", "a"])))
    assert np.isnan(auroc(one, np.ones((3, 2)), np.array(["a", "b"])))
    # Recall is defined for the one class that occurs.
    assert balanced_accuracy(one, np.array(["a", "b", "a"])) == pytest.approx(2 / 3)


def test_auroc_is_the_chance_that_a_positive_outranks_a_negative():
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat(["a", "b"], 20))
    scores = rng.normal(size=40) + (truth == "b")
    wins = np.mean(scores[truth == "b"][:, None] > scores[truth == "a"])
    assert_allclose(auroc(truth, np.stack([-scores, scores], axis=1), np.array(["a", "b"])), wins)
