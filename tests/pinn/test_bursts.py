"""Bursts of drivers that are given, so that what is one burst and what is two is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from physioaffect.pinn import Sudomotor, deconvolve, find_bursts, simulate_eda


def found_with(driver):
    """A decomposition of which the driver is this one."""
    plain = deconvolve(simulate_eda(len(driver) / 4).eda, sfreq=4.0)
    return plain._replace(driver=driver, is_present=np.ones(len(driver), dtype=bool))


def driver_of(*bursts, floor=0.0):
    driver = np.full(480, floor)
    for first, height in bursts:
        driver[first : first + 2] = height
    return driver


def test_two_bursts_with_a_creeping_driver_between_are_two():
    driver = driver_of((100, 2.0), (120, 1.0))
    driver[102:120] = 0.05
    bursts = find_bursts(found_with(driver), threshold=0.05)
    assert_allclose(bursts.times, [25.25, 30.25], atol=0.01)
    assert_allclose(bursts.areas.sum(), driver.sum() / 4)


def test_a_burst_that_swells_is_one():
    driver = driver_of()
    driver[100:106] = [1.0, 2.0, 1.5, 1.6, 2.0, 1.0]
    assert len(find_bursts(found_with(driver)).times) == 1


def test_a_tail_does_not_move_a_burst():
    driver = driver_of((100, 2.0))
    driver[102:142] = 0.1
    bursts = find_bursts(found_with(driver), threshold=0.05)
    assert_allclose(bursts.times, [25.25], atol=0.01)
    assert bursts.peak_times[0] > bursts.times[0]


@pytest.mark.parametrize("area", [0.2, 1.0, 5.0])
def test_areas_make_heights(area):
    bursts = find_bursts(found_with(driver_of((100, 2 * area))))
    # Of a burst of half a second, which is a little lower than of a short one.
    assert_allclose(bursts.areas, [area])
    assert_allclose(bursts.amplitudes, [area * Sudomotor().peak], rtol=0.02)


def test_no_driver_no_bursts():
    assert len(find_bursts(found_with(driver_of())).times) == 0
