"""Threads of BLAS and OpenMP, and that a library is found whenever it is loaded."""

import os
import subprocess
import sys

from threadpoolctl import threadpool_info

from physioaffect.native_threads import controller, one_native_thread


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info()]


def test_all_of_them_are_one_inside_and_as_before_behind():
    before = threads()
    assert before
    with one_native_thread():
        assert set(threads()) == {1}
        with one_native_thread("blas"):
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before


def test_nobody_looks_for_them_again_without_a_reason():
    assert controller() is controller()


def test_a_library_that_is_loaded_later_is_limited_too():
    """In a process of its own, because here all are loaded."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from physioaffect.native_threads import controller, one_native_thread\n"
            "from threadpoolctl import threadpool_info\n"
            "first = len(controller().lib_controllers)\n"
            "import sklearn.cluster\n"
            "with one_native_thread():\n"
            "    print(first, sorted({(one['user_api'], one['num_threads']) for one in threadpool_info()}))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    )
    assert done.stdout.strip() == "0 [('blas', 1), ('openmp', 1)]"
