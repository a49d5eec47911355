"""The two compartments: closed forms, exact steps, units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from physioaffect.pinn import AffineEDA, Sudomotor

constants = st.tuples(st.floats(0.1, 3.0), st.floats(1.0, 5.0)).map(
    lambda pair: Sudomotor(tau_rise=pair[0], tau_decay=pair[0] * pair[1])
)


class TestTheResponseToABurst:
    def test_it_peaks_where_its_derivative_vanishes(self):
        skin = Sudomotor(tau_rise=0.7, tau_decay=2.0)
        t = np.linspace(0, 20, 200_001)
        assert_allclose(t[skin.impulse_response(t).argmax()], skin.peak_time, atol=1e-4)
        assert_allclose(skin.peak_time, np.log(2 / 0.7) * 0.7 * 2 / 1.3)

    @settings(max_examples=40)
    @given(skin=constants)
    def test_its_area_is_one_and_the_step_response_is_its_integral(self, skin):
        t = np.linspace(0, 60 * skin.tau_decay, 300_001)
        h = skin.impulse_response(t)
        assert_allclose(np.trapezoid(h, t), 1, rtol=1e-5)
        running = np.concatenate([[0], np.cumsum((h[1:] + h[:-1]) / 2 * np.diff(t))])
        assert_allclose(running, skin.step_response(t), atol=1e-5)

    def test_equal_time_constants_are_the_limit(self):
        t = np.linspace(0, 20, 1001)
        same = Sudomotor(tau_rise=1.5, tau_decay=1.5)
        near = Sudomotor(tau_rise=1.5 * (1 - 1e-4), tau_decay=1.5)
        assert_allclose(same.impulse_response(t), t / 1.5**2 * np.exp(-t / 1.5))
        assert_allclose(near.impulse_response(t), same.impulse_response(t), atol=1e-4)
        assert_allclose(near.peak_time, same.peak_time, rtol=1e-4)
        assert_allclose(near.discretise(4.0).state, same.discretise(4.0).state, atol=1e-4)

    @settings(max_examples=40)
    @given(skin=constants)
    def test_half_of_it_is_lost_after_the_half_recovery_time(self, skin):
        at = skin.peak_time + skin.half_recovery_time()
        assert_allclose(skin.impulse_response(at), skin.peak / 2, rtol=1e-6)

    def test_nothing_comes_before_the_burst(self):
        skin = Sudomotor()
        assert skin.impulse_response([-1.0, -1e-9]).tolist() == [0, 0]
        assert skin.step_response([-1.0]).tolist() == [0]


class TestExactSteps:
    @settings(max_examples=40)
    @given(skin=constants, sfreq=st.sampled_from([1.0, 4.0, 16.0, 700.0]))
    def test_they_are_the_matrix_exponential(self, skin, sfreq):
        rates = np.array([[-1 / skin.tau_rise, 0], [1 / skin.tau_decay, -1 / skin.tau_decay]])
        whole = np.zeros((3, 3))
        whole[:2, :2], whole[:2, 2] = rates, [1 / skin.tau_rise, 0]
        expected = expm(whole / sfreq)
        steps = skin.discretise(sfreq)
        assert_allclose(steps.state, expected[:2, :2], atol=1e-12)
        assert_allclose(steps.drive, expected[:2, 2], atol=1e-12)

    @settings(max_examples=25)
    @given(skin=constants, seed=st.integers(0, 99))
    def test_a_stepwise_driver_gives_what_a_solver_of_odes_gives(self, skin, seed):
        rng = np.random.default_rng(seed)
        driver, start = rng.uniform(0, 3, 12), tuple(rng.uniform(0, 2, 2))
        phasic = skin.respond(driver, sfreq=4.0, initial=start)
        state = np.array(start)
        for k in range(len(driver)):
            assert_allclose(phasic[k], state[1], atol=1e-7)
            p = driver[k]

            def slopes(_, y, p=p):
                return [(p - y[0]) / skin.tau_rise, (y[0] - y[1]) / skin.tau_decay]

            solved = solve_ivp(
                slopes,
                (0, 0.25),
                state,
                rtol=1e-10,
                atol=1e-12,
            )
            state = solved.y[:, -1]

    def test_the_rate_does_not_matter_for_a_driver_that_is_constant_meanwhile(self):
        skin, driver = Sudomotor(), np.random.default_rng(0).uniform(0, 3, 50)
        assert_allclose(
            skin.respond(driver, sfreq=4.0), skin.respond(np.repeat(driver, 8), sfreq=32.0)[::8], atol=1e-12
        )

    def test_eulers_method_is_of_first_order_and_heuns_of_second(self):
        skin = Sudomotor()
        rates = np.array([[-1 / skin.tau_rise, 0], [1 / skin.tau_decay, -1 / skin.tau_decay]])
        into = np.array([1 / skin.tau_rise, 0])
        errors: dict[str, list[float]] = {"euler": [], "heun": []}
        for n in (64, 128, 256):
            for name, found in errors.items():
                state, step = np.zeros(2), 4 / n
                for _ in range(n):
                    slope = rates @ state + into
                    if name == "heun":
                        slope = (slope + rates @ (state + step * slope) + into) / 2
                    state = state + step * slope
                found.append(abs(state[1] - float(skin.step_response(4.0))))
        for name, order in (("euler", 1), ("heun", 2)):
            ratios = np.array(errors[name][:-1]) / np.array(errors[name][1:])
            assert_allclose(np.log2(ratios), order, atol=0.1)

    def test_a_driver_that_stays_gives_itself(self):
        assert_allclose(Sudomotor().respond(np.full(400, 3.0), sfreq=4.0)[-1], 3.0)

    def test_several_rows_at_once(self):
        driver = np.random.default_rng(0).uniform(0, 3, (2, 3, 50))
        every = Sudomotor().respond(driver, sfreq=4.0)
        assert_allclose(every[1, 2], Sudomotor().respond(driver[1, 2], sfreq=4.0))


class TestTheAffineForm:
    skin = AffineEDA(alpha_0=0.5, beta=(0.2, -0.1), gamma=0.1, E_0=4.0, b=0.05)

    def test_the_solution_solves_the_equation(self):
        t, s = np.linspace(0, 100, 100_001), np.array([1.0, 2.0])
        E = self.skin.solution(t, start=7.0, s=s)
        assert_allclose(np.gradient(E, t)[1:-1], self.skin.derivative(E, s)[1:-1], atol=1e-6)
        assert E[0] == 7.0
        assert_allclose(self.skin.solution(1e6, start=7.0, s=s), self.skin.steady_state(s))

    def test_after_a_time_constant_a_third_is_left(self):
        s = np.zeros(2)
        left = self.skin.solution(self.skin.time_constant, start=7.0, s=s) - self.skin.steady_state(s)
        assert_allclose(left, (7.0 - self.skin.steady_state(s)) / np.e)

    @settings(max_examples=40)
    @given(c=st.floats(0.01, 100))
    def test_its_constants_cannot_be_told_apart_singly(self, c):
        other = AffineEDA(
            alpha_0=self.skin.alpha_0 / c,
            beta=tuple(b / c for b in self.skin.beta),
            gamma=self.skin.gamma * c,
            E_0=self.skin.E_0,
            b=self.skin.b / c,
        )
        E, s = np.linspace(0, 20, 7), np.random.default_rng(0).standard_normal((7, 2))
        assert_allclose(other.derivative(E, s), self.skin.derivative(E, s), rtol=1e-9)
        for n in range(3):
            assert_allclose(np.asarray(self.skin.identified[n]), np.asarray(other.identified[n]), rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sudomotor(tau_rise=3.0, tau_decay=2.0), "0 < tau_rise <= tau_decay in seconds, got 3 and 2"),
        (lambda: Sudomotor(tau_rise=0.0), "got 0 and 2"),
        (lambda: Sudomotor().discretise(0.0), "sfreq must be above 0 Hz"),
        (lambda: AffineEDA(alpha_0=0.0, beta=(1.0,), gamma=1.0), "alpha_0 and gamma must be above 0"),
    ],
)
def test_impossible_constants_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
