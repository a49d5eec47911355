"""The multi-task network: its equation, its derivative, what it recovers, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors import safe_open
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

torch = pytest.importorskip("torch")

from physioaffect.errors import DataError, PhysioaffectError  # noqa: E402
from physioaffect.pinn import (  # noqa: E402
    AffineEDA,
    Identified,
    MultiTaskPINN,
    PINNSettings,
    SimulatedConditions,
    eda_emotion_baselines,
    load_pinn,
    save_pinn,
    simulate_conditions,
    usable_conditions,
)

SKIN = AffineEDA(alpha_0=0.5, beta=(0.15, -0.05), gamma=0.04, E_0=5.0, b=0.1)
RATE, DRIVE, LEVEL = SKIN.identified
TRUTH = np.array([RATE, *DRIVE, LEVEL])
QUICK = PINNSettings(hidden=(64, 64), steps=60, person_sd=1.0, start_sd=1.0)


def fitted(made: SimulatedConditions, settings: PINNSettings = QUICK, X=None, **options) -> MultiTaskPINN:
    return MultiTaskPINN(settings, **options).fit(
        X,
        made.y,
        eda=made.eda,
        time=made.time,
        reports=made.reports,
        groups=made.people,
        conditions=made.conditions,
    )


def physics(model: MultiTaskPINN) -> Identified:
    assert model.physics_ is not None
    return model.physics_


@pytest.fixture(scope="module")
def made() -> SimulatedConditions:
    return simulate_conditions(SKIN, n_people=10, seed=3)


@pytest.fixture(scope="module")
def model(made) -> MultiTaskPINN:
    return fitted(made)


class TestEquation:
    def test_only_products_are_identified_as_the_residual_shows(self, model, made):
        told = {"time": made.time, "reports": made.reports, "conditions": made.conditions}
        before, learned = model.residual(None, **told), model.equation_
        for c in (0.1, 3.0, 40.0):
            model.network_.equation = AffineEDA(
                alpha_0=learned.alpha_0 / c,
                beta=tuple(b / c for b in learned.beta),
                gamma=learned.gamma * c,
                E_0=learned.E_0,
                b=learned.b / c,
            )
            assert_allclose(model.residual(None, **told), before, rtol=1e-9, atol=1e-12)
        # Nor can E_0 and b be told apart.
        model.network_.equation = replace(learned, E_0=learned.E_0 + 1, b=learned.b - learned.alpha_0)
        assert_allclose(model.residual(None, **told), before, rtol=1e-9, atol=1e-12)
        model.network_.equation = replace(learned, gamma=2 * learned.gamma)
        assert np.abs(model.residual(None, **told) - before).max() > 1e-3
        model.network_.equation = learned

    def test_what_is_reported_is_the_equation_of_the_network(self, model):
        rate, drive, level = model.equation_.identified
        assert_allclose(physics(model).values, [rate, *drive, level], rtol=1e-9)
        assert_allclose(physics(model).time_constant, 1 / rate)
        assert not {"alpha_0", "beta", "gamma"} & set(vars(model.physics_))

    def test_the_residual_is_of_the_trace_in_uS_per_second(self, model, made):
        # By hand: the trace a little earlier and later, and the equation as written.
        step = 1e-4
        trace = model.predict_eda(None, time=made.time, reports=made.reports)
        later, earlier = (
            model.predict_eda(None, time=made.time + sign * step, reports=made.reports) for sign in (1, -1)
        )
        slope = (later - earlier) / (2 * step)
        by_hand = slope - model.equation_.derivative(trace, made.reports)
        residual = model.residual(None, time=made.time, reports=made.reports)
        assert_allclose(residual, by_hand, atol=1e-7)

    def test_the_unit_of_time_of_the_input_is_the_equations(self):
        # The same trace three times as slow has a third of the rate, whatever the input is scaled to.
        made = simulate_conditions(SKIN, n_people=6, seed=1)
        slow = made._replace(time=3 * made.time)
        settings = replace(QUICK, physics_weight=1e4)
        slow_settings = replace(settings, physics_weight=9e4)
        rates = [physics(fitted(one, s)).rate for one, s in ((made, settings), (slow, slow_settings))]
        assert_allclose(rates[0], 3 * rates[1], rtol=0.02)

    def test_another_unit_of_conductance_or_of_answers_changes_nothing_but_the_unit(self, made, model):
        other = made._replace(reports=10 * made.reports - 3, eda=2 * made.eda)
        settings = replace(QUICK, person_sd=2.0, start_sd=2.0)
        found = physics(fitted(other, settings))
        rate, drive, level = physics(model).rate, physics(model).drive, physics(model).level
        assert_allclose(found.rate, rate, rtol=1e-5)
        assert_allclose(found.drive, 2 * drive / 10, rtol=1e-5)
        assert_allclose(found.level, 2 * (level + 0.3 * drive.sum()), rtol=1e-5)


class TestDerivative:
    def test_forward_differentiation_is_autograds(self, model, made):
        network = model.network_
        inputs = torch.tensor(np.column_stack([made.time, made.reports])[:50], requires_grad=True)
        tangent = torch.zeros_like(inputs)
        tangent[:, 0] = 1
        trace, slope = network.scaled_trace(inputs, tangent)
        [gradient] = torch.autograd.grad(trace.sum(), inputs)
        assert_allclose(slope.detach(), gradient[:, 0], rtol=1e-10, atol=1e-14)

    def test_the_total_derivative_follows_the_physiology(self, made):
        # A heart rate that itself is a function of time: the trace moves through it.
        heart = 60 + 0.05 * made.time[:, None]
        settings = replace(QUICK, steps=20, person_sd=None, start_sd=None)
        total = fitted(made, settings, X=heart)
        told = {"reports": made.reports}
        step = 1e-3
        later, earlier = (
            total.predict_eda(heart + sign * step * 0.05, time=made.time + sign * step, **told)
            for sign in (1, -1)
        )
        trace = total.predict_eda(heart, time=made.time, **told)
        by_hand = (later - earlier) / (2 * step) - total.equation_.derivative(trace, made.reports)
        found = total.residual(heart, time=made.time, conditions=made.conditions, **told)
        assert_allclose(found, by_hand, atol=1e-6)
        held = fitted(made, replace(settings, derivative="partial"), X=heart)
        later, earlier = (held.predict_eda(heart, time=made.time + sign * step, **told) for sign in (1, -1))
        trace = held.predict_eda(heart, time=made.time, **told)
        by_hand = (later - earlier) / (2 * step) - held.equation_.derivative(trace, made.reports)
        assert_allclose(held.residual(heart, time=made.time, **told), by_hand, atol=1e-6)


class TestRecovery:
    def test_constants_of_a_known_equation_come_back(self, model, made):
        assert_allclose(physics(model).values, TRUTH, rtol=0.12)
        low, high = replace(physics(model), confidence=0.999).intervals.T
        assert ((low <= TRUTH) & (high >= TRUTH)).all()
        assert physics(model).n_clusters == 10
        told = {"time": made.time, "reports": made.reports}
        trace = model.predict_eda(None, **told, groups=made.people, conditions=made.conditions)
        # The noise of the simulation is 0.1 uS.
        assert_allclose(np.sqrt(np.mean((trace - made.eda) ** 2)), 0.1, atol=0.01)

    def test_nobody_needs_to_be_named(self, made):
        # More windows than a batch, no people, no conditions: no clusters and so no intervals.
        assert len(made.y) > QUICK.batch_size
        alone = MultiTaskPINN(replace(QUICK, person_sd=None, start_sd=None))
        alone.fit(None, made.y, eda=made.eda, time=made.time, reports=made.reports)
        assert physics(alone).n_clusters == 1
        assert np.isnan(physics(alone).intervals).all()

    def test_random_effects_are_peoples_levels(self, model, made):
        # Of a person who is not known there is no effect.
        told = {"time": made.time, "reports": made.reports}
        without = model.predict_eda(None, **told)
        stranger = model.predict_eda(None, **told, groups=np.full(len(made.time), "stranger"))
        assert_array_equal(stranger, without)
        own = model.predict_eda(None, **told, groups=made.people) - without
        for person in np.unique(made.people):
            assert np.ptp(own[made.people == person]) < 1e-12
        assert 0.3 < own.std() < 2

    def test_without_noise_it_is_the_equation(self):
        made = simulate_conditions(SKIN, n_people=8, noise_sd=0.0, person_sd=0.0, start_sd=0.5, seed=2)
        found = physics(fitted(made, replace(QUICK, person_sd=None, steps=100)))
        assert_allclose(found.values, TRUTH, rtol=0.03)

    @pytest.mark.slow
    def test_intervals_cover_in_twenty_runs(self):
        is_covered = []
        for seed in range(20):
            made = simulate_conditions(SKIN, seed=100 + seed)
            low, high = physics(fitted(made, replace(QUICK, steps=100), random_state=seed)).intervals.T
            is_covered.append((low <= TRUTH) & (high >= TRUTH))
        assert (np.mean(is_covered, axis=0) >= 0.8).all()
        assert 0.8 <= np.mean(is_covered) <= 1.0

    def test_wider_confidence_is_a_wider_interval_and_one_person_gives_none(self, model, made):
        found = physics(model)
        assert (np.diff(replace(found, confidence=0.99).intervals) > np.diff(found.intervals)).all()
        assert np.isnan(replace(found, n_clusters=1).intervals).all()
        assert np.isnan(replace(found, is_at_edge=True).intervals).all()


class TestHeads:
    def test_classes_that_the_answers_tell_are_told(self, model, made):
        assert list(model.classes_) == ["amusement", "baseline", "stress"]
        shares = model.predict_proba(None, time=made.time, reports=made.reports)
        assert_allclose(shares.sum(axis=1), 1)
        assert np.mean(model.predict(None, time=made.time, reports=made.reports) == made.y) > 0.8

    def test_the_clock_tells_no_class_unless_it_may(self, made):
        # Two classes that differ in nothing but how long they last.
        y = np.where(made.time < 150, "early", "late")
        own = made._replace(y=y, reports=np.zeros_like(made.reports))
        settings = PINNSettings(hidden=(16,), steps=60, learning_rate=0.02, heads="emotion")
        blind = fitted(own, settings)
        assert np.ptp(blind.predict_proba(None, time=own.time, reports=own.reports)[:, 0]) == 0
        seeing = fitted(own, replace(settings, is_clock_for_emotion=True))
        assert np.mean(seeing.predict(None, time=own.time, reports=own.reports) == y) > 0.95

    def test_ablations_have_what_they_should(self, made):
        quick = replace(QUICK, steps=5)
        alone = fitted(made, replace(quick, heads="eda"))
        told = {"time": made.time, "reports": made.reports}
        with pytest.raises(PhysioaffectError, match=r"no head for classes.*heads='eda'"):
            alone.predict(None, **told)
        assert alone.physics_ is not None
        emotion = fitted(made, replace(quick, heads="emotion"))
        assert emotion.physics_ is None
        with pytest.raises(PhysioaffectError, match="no head for EDA"):
            emotion.predict_eda(None, **told)
        free = fitted(made, replace(quick, physics_weight=0.0))
        assert free.physics_ is None
        assert all(float(step.physics) == 0 for step in free.history_)
        bound = fitted(made, quick)
        # The physics makes the residual smaller.
        rms = [np.sqrt(np.mean(one.residual(None, **told) ** 2)) for one in (bound, free)]
        assert rms[0] < rms[1]

    def test_the_physics_comes_in_over_the_ramp(self, made):
        # With all of the steps in the ramp, the first has no weight: it is that of the ablation.
        one = replace(QUICK, steps=1, ramp=1.0, heads="eda")
        first, free = (
            fitted(made, s).network_.state_dict()["trunk.0.weight"]
            for s in (one, replace(one, physics_weight=0.0))
        )
        assert_array_equal(first, free)
        whole = fitted(made, replace(one, ramp=0.0)).network_.state_dict()["trunk.0.weight"]
        assert not np.array_equal(first, whole)


class TestRepeats:
    def test_the_same_seed_gives_the_same_numbers(self, made, model):
        again = fitted(made)
        assert_array_equal(physics(again).values, physics(model).values)
        told = {"time": made.time, "reports": made.reports}
        assert_array_equal(again.predict_proba(None, **told), model.predict_proba(None, **told))
        other = fitted(made, random_state=1)
        assert not np.array_equal(other.predict_proba(None, **told), model.predict_proba(None, **told))

    def test_it_leaves_the_callers_random_state_and_threads_alone(self, made):
        torch.manual_seed(5)
        expected, n_threads = torch.rand(1), torch.get_num_threads()
        torch.manual_seed(5)
        fitted(made, replace(QUICK, steps=2))
        assert torch.equal(torch.rand(1), expected)
        assert torch.get_num_threads() == n_threads

    def test_scikit_learn_can_clone_it(self):
        model = MultiTaskPINN(QUICK, random_state=3)
        again = clone(model)
        assert again.get_params() == model.get_params()

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_a_gpu_gives_the_same_numbers(self, made, model):
        there = fitted(made, device="cuda")
        assert_allclose(physics(there).values, physics(fitted(made, device="cpu")).values, rtol=1e-4)


class TestSaving:
    def test_a_network_comes_back_from_its_file(self, model, made, tmp_path):
        again = load_pinn(save_pinn(model, tmp_path / "network.safetensors"))
        told = {"time": made.time, "reports": made.reports}
        effects = {"groups": made.people, "conditions": made.conditions}
        assert_array_equal(again.predict_proba(None, **told), model.predict_proba(None, **told))
        assert_array_equal(again.predict(None, **told), model.predict(None, **told))
        assert_array_equal(
            again.predict_eda(None, **told, **effects), model.predict_eda(None, **told, **effects)
        )
        assert_array_equal(physics(again).intervals, physics(model).intervals)
        assert again.settings == model.settings

    def test_other_files_are_refused(self, model, tmp_path):
        with pytest.raises(DataError, match=r"named .safetensors, got 'network.pkl'"):
            save_pinn(model, tmp_path / "network.pkl")
        with pytest.raises(NotFittedError, match="call fit first"):
            save_pinn(MultiTaskPINN(), tmp_path / "network.safetensors")
        with pytest.raises(DataError, match="There is no file"):
            load_pinn(tmp_path / "none.safetensors")
        (tmp_path / "text.safetensors").write_text("nothing of the kind")
        with pytest.raises(DataError, match="no safetensors file, or damaged"):
            load_pinn(tmp_path / "text.safetensors")
        other = tmp_path / "other.safetensors"
        safetensors = pytest.importorskip("safetensors.torch")
        safetensors.save_file({"weight": torch.zeros(2)}, other)
        with pytest.raises(DataError, match="holds no network that save_pinn"):
            load_pinn(other)
        with safe_open(save_pinn(model, tmp_path / "good.safetensors"), framework="pt") as file:
            metadata = file.metadata()
        safetensors.save_file({"weight": torch.zeros(2)}, other, metadata=metadata)
        with pytest.raises(DataError, match="does not tell all of its network"):
            load_pinn(other)


class TestRefusals:
    def told(self, made, **changed):
        told = {
            "eda": made.eda,
            "time": made.time,
            "reports": made.reports,
            "groups": made.people,
            "conditions": made.conditions,
        }
        return told | changed

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda m: {"eda": None}, r"EDA head needs eda= in uS.*heads='emotion'"),
            (lambda m: {"time": None}, "needs time= for each window"),
            (lambda m: {"eda": np.full(len(m.eda), 3.0)}, r"constant trace.*Leave this recording out"),
            (lambda m: {"eda": m.eda - 10}, "expected 0 to 200 uS"),
            (lambda m: {"eda": m.eda * 1e3}, "expected 0 to 200 uS"),
            (lambda m: {"eda": np.where(m.time == 0, np.nan, m.eda)}, "30 that are not"),
            (
                lambda m: {"reports": np.where(m.time[:, None] == 0, np.nan, m.reports)},
                r"NaN in 30 of 900 windows.*usable_conditions finds them",
            ),
            (lambda m: {"reports": m.time[:, None]}, "self-reports of condition .* change within it"),
            (lambda m: {"conditions": m.people}, "two windows at one time"),
            (lambda m: {"conditions": None}, "start_sd is set, so conditions= must say"),
            (lambda m: {"groups": m.people[:5]}, r"groups has shape \(5,\)"),
        ],
    )
    def test_bad_input_is_refused_with_the_mend(self, made, change, said):
        with pytest.raises(DataError, match=said):
            MultiTaskPINN(QUICK).fit(None, made.y, **self.told(made, **change(made)))

    def test_too_few_windows_and_classes_are_refused(self, made):
        with pytest.raises(DataError, match="at least 10 windows, got 9"):
            fitted(SimulatedConditions(*(values[:9] for values in made)))
        with pytest.raises(DataError, match=r"All windows are of class 'one'.*heads='eda'"):
            fitted(made._replace(y=np.full(len(made.y), "one")))

    def test_physiology_needs_its_course(self, made):
        with pytest.raises(DataError, match=r"conditions= must say.*derivative='partial'"):
            MultiTaskPINN(PINNSettings(steps=1)).fit(
                made.time[:, None], made.y, eda=made.eda, time=made.time, reports=made.reports
            )

    def test_prediction_needs_the_same_columns_after_fit(self, made, model):
        with pytest.raises(DataError, match="0 features and 2 self-reports, got 1 and 2"):
            model.predict(made.time[:, None], time=made.time, reports=made.reports)
        with pytest.raises(NotFittedError, match="before fit"):
            MultiTaskPINN().predict_eda(None, time=made.time)

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ({"heads": "all"}, "heads is one of both, eda, emotion"),
            ({"hidden": ()}, "at least one layer"),
            ({"physics_weight": -1.0}, "Weights are from 0"),
            ({"ramp": 2.0}, "ramp is a share"),
            ({"person_sd": 0.0}, "person_sd is above 0 uS"),
        ],
    )
    def test_wrong_settings_are_refused(self, setting, said):
        with pytest.raises(ValueError, match=said):
            PINNSettings(**setting)

    def test_conditions_that_cannot_be_used_are_told(self):
        time = np.tile(np.arange(0, 60, 10.0), 5)
        names = np.repeat(["good", "unasked", "flat", "short", "gap"], 6)
        eda = 3 + 0.01 * time
        eda[names == "flat"], eda[names == "gap"] = 4.0, np.nan
        time[names == "short"] /= 10
        reports = np.ones((30, 2))
        reports[names == "unasked", 1] = np.nan
        kept, reasons = usable_conditions(time=time, conditions=names, eda=eda, reports=reports)
        assert set(names[kept]) == {"good"}
        assert reasons == {
            "unasked": "has no complete questionnaire",
            "flat": "has a constant EDA",
            "short": "lasts 5 s; at least 30 are needed",
            "gap": "has windows without EDA",
        }


class TestBaselines:
    def test_all_of_them_predict_both(self, made):
        told = {"time": made.time, "reports": made.reports}
        errors = {}
        for name, model in eda_emotion_baselines(seed=0).items():
            model.fit(None, made.y, eda=made.eda, **told)
            errors[name] = np.sqrt(np.mean((model.predict_eda(None, **told) - made.eda) ** 2))
            shares = model.predict_proba(None, **told)
            assert shares.shape == (900, 3)
            assert_allclose(shares.sum(axis=1), 1)
            if name != "constant":
                assert np.mean(model.predict(None, **told) == made.y) > 0.8
        assert_allclose(errors["constant"], made.eda.std())
        assert max(error for name, error in errors.items() if name != "constant") < errors["constant"]

    def test_classifiers_do_not_see_the_clock(self, made):
        model = eda_emotion_baselines(seed=0)["boosting"]
        model.fit(None, np.where(made.time < 150, "early", "late"), eda=made.eda, time=made.time)
        assert np.ptp(model.predict_proba(None, time=made.time)[:, 0]) == 0


class TestSimulation:
    def test_it_obeys_the_equation(self):
        made = simulate_conditions(SKIN, n_people=2, step=0.5, noise_sd=0.0, person_sd=0.0)
        own = made.conditions == made.conditions[0]
        slope = np.gradient(made.eda[own], made.time[own])
        expected = SKIN.derivative(made.eda[own], made.reports[own])
        assert_allclose(slope[1:-1], expected[1:-1], rtol=1e-3)
