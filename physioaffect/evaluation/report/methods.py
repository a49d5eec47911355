"""A methods paragraph to paste into a paper, written from what the run says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from physioaffect.evaluation.report.claims import Summary
from physioaffect.evaluation.report.references import Citations, Reference
from physioaffect.evaluation.report.words import counted, listed, percent, sentence, title_of
from physioaffect.evaluation.results import Result

__all__ = ["Methods", "methods_of"]


class Methods(NamedTuple):
    """Paragraphs and the references they cite, numbered from 1."""

    paragraphs: list[str]
    references: list[Reference]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        listed = [
            f"[{n}] {reference.text}" + (f" https://doi.org/{reference.doi}" if reference.doi else "")
            for n, reference in enumerate(self.references, start=1)
        ]
        return "\n\n".join([*self.paragraphs, "References", *listed]) + "\n"


# Name of a family of features: what it is, and papers.
_FEATURES = {
    "de": ("differential entropy of the EEG", ("shi2013", "duan2013")),
    "dasm": ("differences of differential entropy between mirrored electrodes (DASM)", ("seed",)),
    "rasm": ("ratios of differential entropy between mirrored electrodes (RASM)", ("seed",)),
    "asm": ("differences and ratios of differential entropy between mirrored electrodes (ASM)", ("seed",)),
    "dcau": ("differences of differential entropy between front and back (DCAU)", ("seed",)),
    "faa": ("frontal alpha asymmetry", ("smith2017",)),
    "topomap": ("topographic maps of differential entropy", ("shi2013",)),
    "band_power": ("band power of the EEG", ()),
    "spectral_entropy": ("spectral entropy of the EEG", ()),
    "aperiodic": ("aperiodic exponent and offset of the EEG’s spectrum", ("donoghue2020",)),
    "hjorth": ("Hjorth’s activity, mobility and complexity", ("hjorth1970",)),
    "line_length": ("line length", ("esteller2001",)),
    "fractal_dimension": ("fractal dimensions", ("higuchi1988",)),
    "connectivity": ("connectivity between electrodes", ()),
    "covariance": ("covariances between electrodes", ()),
    "eda": ("level and responses of electrodermal activity", ()),
    "hr": ("heart rate", ()),
    "temperature": ("skin temperature", ()),
    "motion": ("motion of the wrist or body", ()),
}
_ESTIMATORS = {
    "stft": "short-time Fourier transform",
    "bandpass": "band-pass filter",
    "welch": "Welch’s method",
    "multitaper": "multitaper",
    "oas": "oracle approximating shrinkage",
}
# Last part of a class's name: what it is, and papers.
_MODELS = {
    "EvenLDA": ("linear discriminant analysis with Ledoit–Wolf shrinkage and equal priors", ("ledoit2004",)),
    "LogisticRegression": ("L2-regularised logistic regression", ()),
    "SVC": ("support vector machine", ()),
    "SVR": ("support vector regression", ()),
    "RandomForestClassifier": ("random forest", ("breiman2001",)),
    "RandomForestRegressor": ("random forest", ("breiman2001",)),
    "HistGradientBoostingClassifier": ("gradient boosting of histograms", ()),
    "HistGradientBoostingRegressor": ("gradient boosting of histograms", ()),
    "KNeighborsClassifier": ("nearest neighbours", ()),
    "KNeighborsRegressor": ("nearest neighbours", ()),
    "Ridge": ("ridge regression", ()),
    "TangentLogistic": ("logistic regression in the tangent space of covariances", ("barachant2012",)),
    "DGCNN": ("dynamical graph convolutional network", ("dgcnn",)),
    "GCBNet": ("graph convolutional broad network", ("gcbnet",)),
    "RGNN": ("regularised graph network", ("rgnn",)),
    "EEGNet": ("EEGNet", ("eegnet",)),
    "TSception": ("TSception", ("tsception",)),
    "LGGNet": ("local–global graph network", ("lggnet",)),
    "HiSTN": ("hierarchical spatial-temporal network", ("histn",)),
    "RBTransformer": ("RBTransformer", ("rbtransformer",)),
    "MLP": ("multilayer perceptron", ()),
    "Linear": ("linear map trained like the networks", ()),
}
# What the licence of a data set asks to cite besides its paper.
_ALSO_CITED = {"eegmat": ("goldberger2000",)}
_SOFTWARE = ("mne", "scikit-learn", "scipy", "numpy", "torch")


def methods_of(
    result: Result, summaries: Mapping[str, Summary], permutations: pd.DataFrame | None
) -> Methods:
    """Write data, features, models, evaluation, statistics and software, a paragraph each."""
    cited = Citations()
    paragraphs = [
        _data(result, cited),
        _features(result, cited),
        _models(result, cited),
        _evaluation(result, summaries),
        _statistics(result, cited, permutations),
        _software(result, cited),
    ]
    return Methods([text for text in paragraphs if text], cited.references)


def _data(result: Result, cited: Citations) -> str:
    run = result.run
    table, dataset, task = run["table"], run["dataset"], run["task"]
    people = counted(table["n_subjects"], "person", "people")
    if dataset:
        text = f"We analysed {dataset['title']}{cited.cite_doi(dataset['title'], dataset['doi'])}"
        text += cited.cite(*_ALSO_CITED.get(dataset["name"], ()))
        text += f" (doi:{dataset['doi']})" if dataset["doi"] else ""
        text += f": {counted(table['n_trials'], 'trial')} of {people}"
        if dataset["n_subjects"] != table["n_subjects"]:
            text += f" of {dataset['n_subjects']} in the complete data set"
    else:
        text = f"We analysed {counted(table['n_trials'], 'trial')} of {people}"
    text += f". The label was {task['name']} ({task['description'].rstrip('.')})."
    if table["trials_per_class"]:
        counts = [f"{name} {n}" for name, n in table["trials_per_class"].items()]
        text += f" Trials per class: {', '.join(counts)}."
    if table["simulated"]:
        text = f"THE DATA ARE SIMULATED AND SAY NOTHING ABOUT PEOPLE. {text}"
    if left_out := run["exclusions"]:
        reasons = list(dict.fromkeys(f"{item['subject']}: {item['reason']}" for item in left_out))
        shown = " ".join(sentence(reason) for reason in reasons[:3])
        more = f" And {counted(len(reasons) - 3, 'more exclusion')}." if len(reasons) > 3 else ""
        text += f" Left out: {shown}{more}"
    return text


def _missing(table: Mapping[str, Any], of_samples: str) -> str:
    """What became of features that windows lack; nothing if none did."""
    text = ""
    if lacking := table.get("missing"):
        shares = listed([f"{name} in {percent(share)}" for name, share in lacking.items()])
        text += f" Features{of_samples} were treated as missing ({shares} of the windows)."
    if undefined := table.get("undefined_features"):
        text += f" {counted(len(undefined), 'feature')} that no window of this length carries were dropped."
    return text


def _features(result: Result, cited: Citations) -> str:
    run = result.run
    recipe, table = run["request"]["recipe"], run["table"]
    text = f"Trials were cut into {counted(table['n_windows'], 'window')} of {table['duration']:g} s"
    if not recipe:
        names = ", ".join(table["families"])
        text += f", each described by {counted(table['n_features'], 'feature')} ({names})."
        return text + _missing(table, "")
    windows = recipe["windows"]
    step = windows["step"] or windows["duration"]
    text += " without overlap" if step >= windows["duration"] else f", one every {step:g} s"
    if windows["last"]:
        text += f", from the last {windows['last']:g} s of each trial"
    too_few = f" with less than {100 * windows['min_coverage']:.0f} % of good samples"
    if table.get("missing"):
        text += "." + _missing(table, too_few)
    else:
        text += f"; windows{too_few} were left out." + _missing(table, "")
    if recipe["cleaning"]:
        text += f" Signals were cleaned first ({listed([step['name'] for step in recipe['cleaning']])})."
    said = [_family(family, cited) for family in recipe["features"]]
    text += f" Features were {listed(said)}; {counted(table['n_features'], 'value')} a window."
    if recipe["baseline"]:
        how = {"subtract": "minus", "ratio": "divided by", "z": "in standard deviations from"}
        text += (
            f" They were taken {how.get(recipe['baseline'], recipe['baseline'])} the rest before each trial."
        )
    if recipe["smoothing"]:
        kinds = listed([step["name"].replace("_", " ") for step in recipe["smoothing"]])
        text += f" They were smoothed within each trial ({kinds})."
    return text


def _family(family: Mapping[str, Any], cited: Citations) -> str:
    what, papers = _FEATURES.get(family["name"], (family["name"].replace("_", " "), ()))
    settings = family["settings"].get("entropy", family["settings"])
    details = []
    if bands := (settings.get("bands") or {}).get("bands"):
        details.append(", ".join(f"{b['name']} {b['fmin']:g}–{b['fmax']:g} Hz" for b in bands))
    if edges := settings.get("edges"):
        details.append(f"{edges[0]:g}–{edges[1]:g} Hz")
    if estimator := settings.get("estimator"):
        how = _ESTIMATORS.get(estimator, str(estimator))
        if estimator == "stft" and "frame" in settings:
            how += f" in frames of {settings['frame']:g} s"
            if settings.get("taper", "hann") != "hann":
                how += f" (taper {settings['taper']})"
        if estimator == "welch" and "segment" in settings:
            how += f" with segments of {settings['segment']:g} s"
        details.append(how)
    if "method" in settings:
        details.append(str(settings["method"]))
    if family["name"] == "eda":
        details.append(
            f"decomposition: {settings.get('decompose')}; responses above {settings.get('threshold')} µS"
        )
    said = f" ({'; '.join(details)})" if details else ""
    return f"{what}{said}{cited.cite(*papers)}"


def _models(result: Result, cited: Citations) -> str:
    described = result.run["request"]["models"]
    said = [f"{name} ({_model(described[name], cited)})" for name in result.run["models"]]
    kind = "regressors" if result.run["task"]["kind"] == "regression" else "classifiers"
    text = f"We compared {listed(said)}." if len(said) > 1 else f"The model was {said[0]}."
    blind = [name for name in result.run["baselines"] if not name.startswith("clock")]
    clocks = [name for name in result.run["baselines"] if name.startswith("clock")]
    if clocks:
        text += (
            f" Baselines were {listed(blind)}, which see no signal, and {listed(clocks)}: {kind} that see "
            "only the "
            "elapsed time and the order of trials in the session, on the same folds."
        )
    return text


def _model(described: Any, cited: Citations) -> str:
    """What an estimator is, from inside out."""
    if not isinstance(described, Mapping):
        return str(described)
    name = str(described.get("class", "")).rpartition(".")[2]
    bare = name.removesuffix("Classifier").removesuffix("Regressor")
    if name == "Pipeline":
        steps = [step for _, step in described["steps"]]
        scaled = any(_class(step) == "StandardScaler" for step in steps)
        return _model(steps[-1], cited) + (
            ", on features standardised with the training windows" if scaled else ""
        )
    what, papers = _MODELS.get(name, _MODELS.get(bare, (name or "a model of one’s own", ())))
    details = []
    if "n_estimators" in described:
        details.append(f"{described['n_estimators']} trees")
    if name == "LogisticRegression" and "C" in described:
        details.append(f"C = {float(described['C']):g}")
    if name.startswith("KNeighbors") and "n_neighbors" in described:
        details.append(f"k = {described['n_neighbors']}")
    if described.get("class_weight") == "balanced":
        details.append("classes weighted alike")
    return f"{what}{cited.cite(*papers)}" + (f", {', '.join(details)}" if details else "")


def _class(described: Any) -> str:
    return str(described.get("class", "")).rpartition(".")[2] if isinstance(described, Mapping) else ""


def _evaluation(result: Result, summaries: Mapping[str, Summary]) -> str:
    parts = []
    for about in result.run["protocols"]:
        summary = summaries[about["name"]]
        trained, tested = (said[0].lower() + said[1:] for said in (summary.trained, summary.tested))
        text = (
            f"Under the protocol {about['name']} the models were trained {trained} They were tested {tested}"
        )
        if about["scaled_per_subject"]:
            text += " Features were standardised within each person, test windows included, without labels."
        if about["claim"] is None:
            text += " Its scores show the effect of leakage and support no claim."
        parts.append(text)
    return " ".join(parts)


def _statistics(result: Result, cited: Citations, permutations: pd.DataFrame | None) -> str:
    metrics = [title_of(metric) for metric in result.metrics[:3]]
    text = (
        f"The primary score was {metrics[0]} by trial: a trial’s windows were averaged, because a trial has "
        "one label"
        f"{'' if len(metrics) < 2 else '; ' + listed(metrics[1:]) + ' are reported besides'}."
    )
    if result.metrics[0] == "ccc":
        text += f" CCC is the concordance correlation coefficient{cited.cite('lin1989')}."
    if result.run["table"]["n_subjects"] > 1:
        text += (
            " Scores were computed for each person; we give their mean with a 95 % t interval over people, "
            "for the expected score of this procedure on a new person of the same population. Where folds "
            f"share training people, scores depend on each other{cited.cite('bengio2004')}: there the "
            "variance of the mean was taken as (1/n + 1/(n - 1)) times that of scores"
            f"{cited.cite('nadeau2003')}, in intervals and in t tests of differences. "
            "Models were compared over the same people, elsewhere "
            "by two-sided sign-flip permutation tests of the mean difference, beside Wilcoxon’s "
            f"signed-rank test{cited.cite('wilcoxon1945')}, with Holm’s correction{cited.cite('holm1979')}; "
            "the "
            f"effect size is Cohen’s d_z{cited.cite('lakens2013')}."
        )
    if permutations is not None and len(permutations):
        ways = listed(list(dict.fromkeys(map(str, permutations["exchange"]))))
        n = int(permutations["n_permutations"].max())
        again = (
            "models were fitted anew for each"
            if permutations["refitted"].all()
            else (
                "predictions were held fixed"
                if not permutations["refitted"].any()
                else f"{_refitted(permutations)} fitted anew for each; of the others predictions were held "
                "fixed and permuted scores spread by the root of two, because labels tested in one fold "
                "trained others"
            )
        )
        text += (
            f" Chance is the mean score under {n} permutations of the labels ({ways}; {again}), and p = (1 + "
            "b) / "
            f"(1 + n){cited.cite('phipson2010')}."
        )
    if result.run["task"]["kind"] != "regression":
        text += (
            " Calibration is the expected calibration error of the likeliest class’s probability in ten bins "
            "of "
            f"equal width{cited.cite('guo2017')}."
        )
    return text


def _refitted(permutations: pd.DataFrame) -> str:
    """Which models were fitted anew, and where."""
    own = permutations[permutations["refitted"]]
    parts = [
        f"{listed(list(dict.fromkeys(map(str, rows['model']))))} under {protocol}"
        for protocol, rows in own.groupby("protocol", sort=False)
    ]
    return f"{listed(parts)} {'was' if len(own[['protocol', 'model']].drop_duplicates()) == 1 else 'were'}"


def _software(result: Result, cited: Citations) -> str:
    versions = result.run["request"]["versions"]
    named = [
        f"{name} {version}{cited.cite(name) if name in _SOFTWARE else ''}"
        for name, version in versions.items()
    ]
    return f"Computed with {listed(named)}; seed {result.run['request']['seed']}."
