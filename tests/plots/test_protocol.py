"""The picture of a protocol shows the folds that are evaluated, window by window."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from physioaffect.errors import DataError, ProtocolError
from physioaffect.evaluation import get_protocol
from physioaffect.plots import plot_protocol
from physioaffect.plots.protocol import ROLES, roles_of

NAMES = list(ROLES)


def study(n_people: int = 4, n_trials: int = 4, n_windows: int = 5) -> pd.DataFrame:
    rows = [
        (f"S{who}", str(trial), str(trial), window, 2.0 * window, ("low", "high")[trial % 2])
        for who in range(n_people)
        for trial in range(n_trials)
        for window in range(n_windows)
    ]
    table = pd.DataFrame(rows, columns=["subject", "trial", "stimulus", "window", "start", "target"])
    return table.assign(
        dataset="d", session="1", condition="", order=table["trial"].astype(int), duration=2.0
    )


def folds_of(name: str, table: pd.DataFrame):
    protocol = get_protocol(name)
    return list(protocol.split(table, protocol.rng(0)))


def rows_of(figure) -> np.ndarray:
    """Roles as drawn: (n_rows, heights, n_cells)."""
    image = figure.axes[0].images[0].get_array()
    n_rows = round(figure.axes[0].images[0].get_extent()[2] + 0.5)
    return np.ma.filled(image, -1).reshape(n_rows, -1, image.shape[1])


def ticks(figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


@pytest.mark.parametrize("name", ["loso", "window_random", "within_subject_trial", "loso_stimulus_2fold"])
def test_every_row_is_a_fold_of_the_evaluation(name):
    table = study()
    folds = folds_of(name, table)
    figure = plot_protocol(name, table)
    drawn = rows_of(figure)
    assert ticks(figure) == [fold.name for fold in folds]
    for row, fold in zip(drawn, folds, strict=True):
        assert_array_equal(row, np.broadcast_to(roles_of(len(table), fold), row.shape))
    assert figure.get_suptitle().startswith(name)


def test_rows_that_stand_mixed_in_the_table_are_drawn_person_by_person():
    table = study()
    shuffled = table.sort_values(["window", "trial", "subject"], kind="stable").reset_index(drop=True)
    figure = plot_protocol("loso", shuffled)
    is_tested = rows_of(figure)[:, 0] == NAMES.index("tested")
    assert_array_equal(is_tested, np.repeat(np.eye(4, dtype=bool), 20, axis=1))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["S0", "S1", "S2", "S3"]


def test_a_fold_is_drawn_with_a_row_for_each_person():
    table = study()
    for name in ("trial_chunk_5", "calibrated_trials_2"):
        fold = folds_of(name, table)[1]
        figure = plot_protocol(name, table, fold=fold.name)
        assert ticks(figure) == ["S0", "S1", "S2", "S3"]
        assert_array_equal(rows_of(figure)[:, 0], roles_of(80, fold).reshape(4, 20))
        assert figure.get_suptitle() == f"{name}, fold {fold.name} (2 of {len(folds_of(name, table))})"
    assert "calibration" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_where_a_person_has_fewer_windows_nothing_is_drawn():
    table = study().iloc[:-5]
    figure = plot_protocol("loso", table, fold=folds_of("loso", table)[0].name)
    assert (rows_of(figure)[3, 0, -5:] == -1).all()
    assert (rows_of(figure)[:3] >= 0).all()


def test_in_large_tables_a_cell_is_a_trial_and_heights_are_shares():
    table = study(n_people=10, n_trials=20, n_windows=24)
    figure = plot_protocol("window_random", table)
    drawn = rows_of(figure)
    assert drawn.shape[2] == 200
    trial = np.repeat(np.arange(200), 24)
    for row, fold in zip(drawn, folds_of("window_random", table), strict=True):
        tested = np.bincount(trial[fold.test_idx], minlength=200)
        assert_array_equal((row == NAMES.index("tested")).sum(axis=0), tested)
    assert "height: share of their windows" in figure.axes[0].get_xlabel()


def test_of_many_folds_some_are_drawn_and_their_number_is_said():
    table = study(n_people=30, n_trials=2, n_windows=1)
    figure = plot_protocol("loso", table)
    assert rows_of(figure).shape[0] == 20
    assert figure.get_suptitle() == "loso, 20 of 30 folds"
    folds = folds_of("loso", table)
    assert (ticks(figure)[0], ticks(figure)[-1]) == (folds[0].name, folds[-1].name)


def test_the_picture_says_what_a_score_may_claim():
    words = {
        name: " ".join(plot_protocol(name, study()).axes[0].get_xlabel().split())
        for name in ("loso", "window_random")
    }
    assert "Claim: Works for a new person" in words["loso"]
    assert "No claim. Train and test share: The person, the session" in words["window_random"]


def test_test_windows_that_were_seen_without_labels_have_a_colour_of_their_own():
    figure = plot_protocol("loso_transductive", study())
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "tested, seen unlabelled" in shown
    assert "tested" not in shown


def test_grey_print_tells_roles_apart():
    from matplotlib.colors import to_rgb

    lightness = [np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour in list(ROLES.values())[:-1]]
    assert (np.diff(lightness) < -0.04).all()


@pytest.mark.parametrize(
    ("table", "options", "error", "sentence"),
    [
        (study(), {"fold": "Eve"}, ValueError, "makes no fold 'Eve' of this table; its folds are "),
        (study().drop(columns=["session", "target"]), {}, ProtocolError, "coordinates lack session, target"),
        (study().iloc[:0], {}, DataError, "no window, so there is nothing to divide"),
    ],
)
def test_what_cannot_be_divided_is_refused(table, options, error, sentence):
    with pytest.raises(error, match=sentence):
        plot_protocol("loso", table, **options)
