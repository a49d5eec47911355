from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioaffect.datasets import DREAMER
from physioaffect.errors import DataError, PhysioaffectError, ProtocolError
from physioaffect.evaluation.models.configured import configured_model, configured_protocol
from physioaffect.evaluation.protocols import PROTOCOLS
from physioaffect.evaluation.sweeps.experiment_file import checked_file
from physioaffect.evaluation.sweeps.experiment_plan import Experiment, run_name
from physioaffect.features import MovingAverage

assert DREAMER.simulate is not None
simulate = DREAMER.simulate
VALENCE = DREAMER.tasks["valence"]
RATED = DREAMER.tasks["valence_score"]
GOOD = """\
seeds = [0, 1]
tasks = ["valence", "arousal"]
models = ["lda", "knn"]
protocols = ["loso"]

[datasets.dreamer]
path = "dreamer"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    simulate(folder / "dreamer", n_subjects=2, n_clips=2, max_seconds=5)
    (folder / "empty").mkdir()
    return folder


def read(folder: Path, text: str) -> Experiment:
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return Experiment.read(path)


def test_a_plan_is_the_product_of_data_sets_tasks_and_seeds_each_with_all_models_and_protocols(folder):
    experiment = read(
        folder,
        """
        seeds = [3, 0]
        tasks = ["valence", "arousal"]
        strict = true
        [models]
        lda = {}
        soft = { name = "logistic", C = 0.01 }
        [protocols]
        loso = {}
        five = { name = "calibrated_trials", n_trials = 5 }
        [datasets.dreamer]
        path = "dreamer"
        [datasets.power]
        name = "dreamer"
        path = "dreamer"
        tasks = ["dominance"]
        features = ["band_power", "line_length"]
        window = 4
        step = 2.0
        clean = true
        baseline = "subtract"
        smooth = "mean:5"
        subjects = ["2"]
        """,
    )
    runs = experiment.runs()
    assert [run.name for run in runs] == [
        "dreamer-valence-seed3", "dreamer-valence-seed0", "dreamer-arousal-seed3", "dreamer-arousal-seed0",
        "power-dominance-seed3", "power-dominance-seed0",
    ]  # fmt: skip
    for run in runs:
        assert list(run.models) == ["lda", "soft"]
        assert run.models["soft"][-1].C == 0.01
        assert [protocol.name for protocol in run.protocols] == ["loso", "calibrated_trials_5"]
        assert run.strict
        assert run.path == folder / "results" / "experiment" / run.name
    power = runs[-1].source
    assert (power.dataset.name, power.subjects, power.root) == ("dreamer", ("2",), folder / "dreamer")
    assert [family.name for family in power.recipe.features] == ["band_power", "line_length"]
    assert (power.recipe.windows.duration, power.recipe.windows.step) == (4, 2)
    assert power.recipe.baseline == "subtract"
    assert power.recipe.smoothing == (MovingAverage(n_windows=5, causal=False),)
    assert len(power.recipe.cleaning) == 1


def test_without_tasks_and_seeds_it_is_the_first_task_and_seed_0(folder):
    text = 'models = ["lda"]\nprotocols = ["loso"]\n[datasets.dreamer]\npath = "dreamer"\n'
    assert [run.name for run in read(folder, text).runs()] == ["dreamer-valence-seed0"]


def test_results_lie_beside_the_file_or_where_it_or_the_caller_says(folder, tmp_path):
    assert read(folder, GOOD).out == folder / "results" / "experiment"
    assert read(folder, 'out = "elsewhere"\n' + GOOD).out == folder / "elsewhere"
    (folder / "other.toml").write_text(GOOD)
    assert Experiment.read(folder / "other.toml", out=tmp_path).out == tmp_path


# What is wrong, and what the error has to say of it.
WRONG = {
    'seedz = [0]\n': r"experiment.toml, line 1: there is no key 'seedz'. Did you mean seeds\?",
    'modells = ["lda"]\n': r"line 1: there is no key 'modells'. Did you mean models\?",
    "qqq = 1\n": r"there is no key 'qqq'. Use one of out, seeds, tasks, strict, permutations",
    "seeds = 3\n": r"line 1: seeds is 3; expected a list of whole numbers from 0 to 4294967295",
    "seeds = []\n": r"seeds is \[\]; expected a list",
    "seeds = [-1]\n": r"seeds is \[-1\]; expected a list of whole numbers",
    "seeds = [true]\n": r"seeds is \[True\]; expected a list of whole numbers",
    "seeds = [0.5]\n": r"seeds is \[0.5\]; expected",
    "seeds = [1, 2, 1]\n": r"line 1: 1 is named twice",
    "strict = 1\n": r"strict is 1; expected true or false",
    "permutations = -1\n": r"permutations is -1; expected a whole number from 0 to 1000000",
    "permutations = true\n": r"permutations is True; expected a whole number",
    'refit = "some"\n': r"refit is 'some'; expected one of linear, all, none",
    "refit = [1]\n": r"refit is \[1\]; expected one of",
    "out = 5\n": r"out is 5; expected a text",
    'out = ""\n': r"out is ''; expected a text",
    'out = "a\\u0000b"\n': r"out is 'a\\x00b'; expected a text",
    "tasks = [1]\n": r"tasks is \[1\]; expected a list of texts",
    'tasks = ["valence", "valence"]\n': r"'valence' is named twice",
    'tasks = ["joy"]\n': r"line 1: DREAMER has no task 'joy'. There are valence, .*Give \[datasets.dreamer\]",
    'tasks = ["valance"]\n': r"DREAMER has no task 'valance'. Did you mean valence\?",
}  # fmt: skip


@pytest.mark.parametrize("start", WRONG, ids=lambda text: text.strip()[:40])
def test_what_is_wrong_at_the_top_is_told_with_its_line(folder, start):
    key = start.partition(" ")[0]
    kept = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(f"{key} ="))
    with pytest.raises(DataError, match=WRONG[start]):
        read(folder, start + kept)


WRONG_DATA_SET = {
    'path = "dreamer"\nwindows = 4\n': r"line 8 \(\[datasets.dreamer\]\): there is no key 'windows'. Did you",
    'path = "dreamer"\nwindow = "4"\n': r"line 8 .*window is '4'; expected a number of seconds above 0",
    'path = "dreamer"\nwindow = 0\n': r"window is 0; expected",
    'path = "dreamer"\nstep = nan\n': r"step is nan; expected",
    'path = "dreamer"\nstep = inf\n': r"step is inf; expected",
    'path = "dreamer"\nstep = 2020-01-01\n': r"step is datetime.date\(2020, 1, 1\); expected a number",
    'path = "dreamer"\nclean = "yes"\n': r"clean is 'yes'; expected true or false",
    'path = "dreamer"\nfeatures = "de"\n': r"features is 'de'; expected a list of texts",
    'path = "dreamer"\nfeatures = ["dee"]\n': r"line 8 .*there are no features 'dee'. Did you mean de\?",
    'path = "dreamer"\nfeatures = ["eda"]\n': r"line 6 .*Features eda need eda; DREAMER has ecg, eeg",
    'path = "dreamer"\nbaseline = "sub"\n': r"line 6 \(\[datasets.dreamer\]\): Unknown way 'sub' to remove a",
    'path = "dreamer"\nsmooth = "mean:0"\n': r"smooth is 'mean:0'; expected lds, lds_causal, mean:N",
    'path = "dreamer"\nsubjects = ["77"]\n': r"line 8 .*has no subject '77'",
    'path = "dreamer"\nname = "dreamr"\n': r"line 8 .*there is no data set 'dreamr'. Did you mean dreamer\?",
    'path = "dreamer"\nname = "ferplus"\n': r"there is no data set 'ferplus'",
    'path = "nowhere"\n': r"line 7 .*nowhere does not exist. Paths are relative to the experiment",
    'path = "empty"\n': r"line 6 .*",
    "path = 5\n": r"path is 5; expected a text",
    "": r"line 6 .*path is missing: say where the data lie",
}  # fmt: skip


@pytest.mark.parametrize("settings", WRONG_DATA_SET, ids=lambda text: text.strip()[-40:])
def test_what_is_wrong_of_a_data_set_is_told_with_its_line_and_table(folder, settings):
    with pytest.raises(DataError, match=WRONG_DATA_SET[settings]):
        read(folder, GOOD.replace('path = "dreamer"\n', settings))


WRONG_MODELS = {
    'models = ["ldaa"]': r"line 3 .*There is no model 'ldaa' .*Did you mean lda\?",
    'models = ["corall+lda"]': r"Nothing called 'corall' can be wrapped .*Did you mean coral\?",
    'models = ["coral+lda"]': r"Model coral\+lda uses unlabelled windows of the test person, which",
    'models = ["majority"]': r"There is no model 'majority'",
    'models = ["lda", "lda"]': r"'lda' is named twice",
    "models = []": r"models is \[\]; expected a list of names",
    "models = {}": r"models is an empty table; expected a list of names",
    'models = {lda = "lda"}': r"lda is 'lda'; expected a table of settings, such as \[models.lda\]",
    "models = {majority = {name = 'lda'}}": r"majority is the name of a baseline",
    "models = {lda = {name = 3}}": r"line 3 \(\[models.lda\]\): name is 3; expected a text",
    "models = {soft = {name = 'logistic', c = 1}}": r"logistic has no setting 'c'. Did you mean C\?",
    "models = {soft = {name = 'logistic', C = -1.0}}": r"The 'C' parameter of LogisticRegression must be",
    "models = {LDA = {name = 'lda'}, lda = {}}": r"LDA and lda differ in capitals only",
    "models = {'../../etc' = {name = 'lda'}}": r"'../../etc' cannot be a name",
    "models = {ridge = {}}": r"There is no model 'ridge' for the binary task valence",
}


@pytest.mark.parametrize("line", WRONG_MODELS)
def test_what_is_wrong_of_a_model_is_told(folder, line):
    with pytest.raises(DataError, match=WRONG_MODELS[line]):
        read(folder, GOOD.replace('models = ["lda", "knn"]', line))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('protocols = ["losso"]', r"line 4 .*Unknown protocol 'losso'.* Did you mean loso\?"),
        (
            "protocols = {loso = {n_fold = 3}}",
            r"Protocol loso has no setting 'n_fold'. Did you mean n_folds\?",
        ),
        ("protocols = {loso = {n_folds = 2.5}}", r"n_folds of Protocol loso is 2.5; expected a whole number"),
        ("protocols = {window_random = {k = 2}}", r"Protocol window_random takes no settings, got k"),
        (
            "protocols = {calibrated_trials_5 = {}, five = {name = 'calibrated_trials', n_trials = 5}}",
            r"two protocols are called calibrated_trials_5",
        ),
        ("protocols = {rest = {name = 'calibrated_rest', seconds = -5}}", r"needs more than 0 s, got -5"),
    ],
)
def test_what_is_wrong_of_a_protocol_is_told(folder, line, said):
    with pytest.raises(DataError, match=said):
        read(folder, GOOD.replace('protocols = ["loso"]', line))


def test_a_list_of_names_and_empty_tables_say_the_same(folder):
    tables = GOOD.replace('models = ["lda", "knn"]', "models = {lda = {}, knn = {}}")
    listed, written = read(folder, GOOD).runs()[0], read(folder, tables).runs()[0]
    assert list(listed.models) == list(written.models)
    assert [str(model) for model in listed.models.values()] == [str(m) for m in written.models.values()]


@pytest.mark.parametrize(
    "label", ["../up", "a/b", "a\\\\b", "", ".hidden", "-o", "a b", "x" * 61, "é", "a\\nb", "C:"]
)
def test_names_that_are_no_folders_are_refused(folder, label):
    text = GOOD.replace("[datasets.dreamer]", f'[datasets."{label}"]\nname = "dreamer"')
    with pytest.raises(DataError, match="cannot be a name"):
        read(folder, text)


def test_two_runs_of_one_name_are_refused(folder):
    text = GOOD.replace('tasks = ["valence", "arousal"]\n', "") + (
        'tasks = ["valence", "valence_score"]\n[datasets.dreamer-x]\nname = "dreamer"\npath = "dreamer"\n'
    )
    assert len(read(folder, text.replace('"valence", "valence_score"', '"valence"')).runs()) == 4
    once = read(folder, GOOD)
    with pytest.raises(DataError, match=r"line 6 .*two runs would be called dreamer-valence-seed0: rename"):
        replace(once, sources=once.sources * 2).runs()
    assert run_name("a", "b/../c", 0) == "a-b_.._c-seed0"  # BIDS files name tasks as they like.


def test_more_runs_than_anyone_wants_are_refused(folder):
    with pytest.raises(DataError, match=r"plans 20,000 runs; at most 10,000"):
        read(folder, GOOD.replace("[0, 1]", str(list(range(10_000)))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seeds = [0,, 1]", r"is not TOML: .*line 1"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, r"is not TOML"),
        (b"a = " + b"9" * 5000, r"is not TOML"),
        (b"a" * 1_000_001, r"has more than 1,000,000 bytes"),
        (b"out = '\xff'", r"is not written in UTF-8 \(byte 7\)"),
        (b"", r"names no datasets: it needs \[datasets.dreamer\]"),
        (b"datasets = 3", r"datasets is 3; expected tables"),
        (b"[[datasets]]", r"expected tables, one for each"),
        (b"[datasets.x]", r"names no models: it needs models = "),
    ],
)
def test_hostile_files_are_refused_in_words(tmp_path, content, said):
    path = tmp_path / "hostile.toml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        Experiment.read(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"is a folder\. Name the experiment file in it"):
        Experiment.read(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file or directory"):
        Experiment.read(tmp_path / "none.toml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["out", "seeds", "tasks", "strict", "models", "protocols", "datasets"]) | st.text()


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, int | float):
        return repr(value).replace("e+", "e")
    return _text(str(value)) if isinstance(value, str) or value is None else value.isoformat()  # type: ignore[attr-defined]


def _text(text: str) -> str:
    escaped = "".join(
        c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}"
        for c in text
        if not 0xD800 <= ord(c) < 0xE000
    )
    return f'"{escaped}"'


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_a_file_says_it_is_an_experiment_or_an_error_in_words(content):
    text = "\n".join(f"{_text(key)} = {_toml(value)}" for key, value in content.items())
    said = refusal_of(text)
    assert said is None or said.startswith("made.toml")
    assert said is None or len(said) < 2000


def refusal_of(text: str) -> str | None:
    try:
        checked_file(Path("made.toml"), text)
    except DataError as error:
        return str(error)
    return None


@given(st.text(min_size=1, max_size=20), st.integers(0, 5))
def test_the_line_of_a_misspelt_key_is_found(word, n_before):
    label = f"m{abs(hash(word)) % 100}"
    lines = ["# a comment with = in it"] * n_before + [f"[models.{label}]", 'name = "lda"']
    text = "\n".join(lines) + '\n[protocols.loso]\n[datasets.dreamer]\npath = "x"\n# ] = [\npaht = "y"\n'
    with pytest.raises(
        DataError, match=rf"line {n_before + 7} \(\[datasets.dreamer\]\): .*Did you mean path\?"
    ):
        checked_file(Path("made.toml"), text)


def test_lines_of_a_list_are_no_keys():
    lines = ["[datasets.dreamer]", "subjects = [", '"a = b",', "]", 'path = "x"', 'paht = "y"']
    text = "\n".join(['models = ["lda"]', 'protocols = ["loso"]', *lines])
    with pytest.raises(DataError, match=r"line 8 \(\[datasets.dreamer\]\): .*Did you mean path\?"):
        checked_file(Path("made.toml"), text)


def test_settings_reach_the_model_through_wrapper_and_pipeline():
    model = configured_model(
        "coral+logistic", {"regularisation": 2.5, "C": 0.1, "class_weight": "none"}, VALENCE
    )
    assert model.regularisation == 2.5
    assert (model.model[-1].C, model.model[-1].class_weight) == (0.1, None)
    network = configured_model(
        "scaled+mlp", {"hidden": [8, 4], "epochs": 3, "patience": "none"}, VALENCE
    ).model
    assert (network.hidden, network.epochs, network.patience) == ((8, 4), 3, None)
    assert configured_model("dgcnn", {"epochs": 3}, RATED).epochs == 3


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("dgcnn", {"epochz": 5}, r"dgcnn has no setting 'epochz'. Did you mean epochs\?"),
        ("dgcnn", {"epochs": 5.0}, "epochs of dgcnn is 5.0; expected a whole number"),
        ("dgcnn", {"epochs": True}, "epochs of dgcnn is True; expected a whole number"),
        ("dgcnn", {"epochs": 0}, "dgcnn: epochs must be a whole number from 1, got 0"),
        ("dgcnn", {"patience": "never"}, 'patience of dgcnn is .never.; expected a whole number or "none"'),
        ("dgcnn", {"device": "gpu"}, "expected one of 'cpu', 'cuda', 'auto'"),
        ("mlp", {"hidden": [8, "4"]}, r"hidden of mlp is \[8, '4'\]; expected a list, each a whole number"),
        ("mlp", {"hidden": 8}, "expected a list"),
        ("rgnn", {"pairs": [["F3", "F4", "Cz"]]}, "expected a list, each a list, each a text"),
        ("histn", {"hierarchy": 5}, "hierarchy of histn is 5; expected a text"),
        ("knn", {"n_neighbors": True}, "n_neighbors of knn is True; expected a number"),
        ("svm", {"kernel": "rbff"}, "The 'kernel' parameter of SVC must be"),
        ("lda", {"x": 1}, r"lda has no setting 'x'\. Use one of"),
        ("lda", {"random_state": 1}, "lda gets its random_state from the seeds"),
        ("coral+lda", {"model": "knn"}, r"coral\+lda has no setting 'model'"),
    ],
)
def test_wrong_settings_of_a_model_are_refused_before_it_is_fitted(name, settings, said):
    with pytest.raises(DataError, match=said):
        configured_model(name, settings, VALENCE)


def test_protocols_are_made_with_settings_or_by_their_whole_name():
    assert configured_protocol("loso", {}) is PROTOCOLS["loso"]
    assert configured_protocol("loso", {"n_folds": 4}).name == "loso_4fold"
    assert configured_protocol("calibrated_rest", {"seconds": 60}).name == "calibrated_rest_60s"
    assert configured_protocol("loso_4fold_transductive", {}).name == "loso_4fold_transductive"
    with pytest.raises(PhysioaffectError, match="Unknown protocol 'lso'"):
        configured_protocol("lso", {"n_folds": 3})
    with pytest.raises(ProtocolError, match="more than 0 s"):
        configured_protocol("calibrated_rest", {"seconds": 0})
