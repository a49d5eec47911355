"""Which test runs which blocks of code on the pages; tests/test_docs_blocks.py sees that none is left out."""

OWN = "tests/test_docs_blocks.py"
# Pages whose python blocks are one program that needs nothing but an empty folder.
PROGRAMS = [
    "docs/index.md",
    "docs/how-to/add-a-data-set.md",
    "docs/how-to/add-a-feature.md",
    "docs/how-to/add-a-network.md",
    "docs/how-to/fit-in.md",
    "docs/how-to/gpu.md",
    "docs/networks/dgcnn.md",
    "docs/networks/gcbnet.md",
    "docs/networks/histn.md",
    "docs/networks/rgnn.md",
]
# Tests by file, and the blocks of which pages each runs.
RUNNERS = {
    OWN: {
        "test_a_page_runs_from_top_to_bottom": [
            f"{page} python" for page in (*PROGRAMS, "docs/evaluation.md")
        ],
        "test_commands_on_a_page_run": [
            "README.md bash",
            "docs/evaluation.md bash",
            "docs/how-to/methods-section.md bash",
            "docs/index.md bash",
            "docs/networks/README.md bash",
            "docs/your-own-data.md bash",
        ],
        "test_the_page_on_commands_runs": ["docs/cli.md bash", "docs/cli.md python"],
    },
    "tests/test_docs.py": {
        "test_the_readme_runs_on_real_recordings": ["README.md python"],
        "test_the_page_on_eeg_runs_on_real_recordings": [
            "docs/eeg-features.md bash",
            "docs/eeg-features.md python",
        ],
        "test_the_index_of_networks_runs_from_top_to_bottom": ["docs/networks/README.md python"],
        "test_the_page_on_the_two_task_network_runs_from_top_to_bottom": ["docs/pinn-network.md python"],
        "test_your_own_data_runs_from_top_to_bottom": ["docs/your-own-data.md python"],
    },
    "tests/test_docs_eda.py": {
        "test_the_command_runs_on_a_real_recording": ["docs/eda-equation.md bash"],
        "test_the_page_runs_and_prints_what_it_says": ["docs/eda-equation.md python"],
    },
    "tests/test_docs_wearables.py": {
        "test_the_command_runs_on_a_real_recording": ["docs/wearables.md bash"],
        "test_the_page_runs_on_real_recordings": ["docs/wearables.md python"],
    },
    "tests/test_cli_sweeps.py": {
        "test_the_page_on_experiments_runs_from_top_to_bottom": [
            "docs/experiments.md bash",
            "docs/experiments.md python",
        ],
    },
    "tests/evaluation/test_cluster.py": {"test_the_page_on_clusters_runs": ["docs/cluster.md python"]},
    "tests/evaluation/test_leakage_docs.py": {
        "test_the_commands_run": ["docs/leakage-audit.md bash"],
        "test_the_page_runs_from_top_to_bottom": ["docs/leakage-audit.md python"],
    },
    "tests/plots/test_page.py": {"test_the_page_runs": ["docs/plots.md python"]},
    "tests/evaluation/test_protocols_page.py": {
        "test_what_the_page_shows_runs": ["docs/protocols.md python"],
    },
    "tests/evaluation/statistics/test_statistics_docs.py": {
        "test_the_page_runs_and_prints_what_it_shows": ["docs/statistics.md python"],
    },
    "tests/reproduce/test_reproduce_page.py": {
        "test_the_page_runs_and_its_table_is_what_comes_out": [
            "docs/reproduce.md bash",
            "docs/reproduce.md python",
        ],
    },
    "tests/graphs/test_raw_network_pages.py": {
        "test_code_on_a_page_runs_and_prints_what_it_says": [
            f"docs/networks/{name}.md python" for name in ("eegnet", "lggnet", "tsception")
        ],
    },
    "tests/graphs/test_rbtransformer.py": {"test_the_page_runs": ["docs/networks/rbtransformer.md python"]},
    "tests/graphs/test_mlp.py": {"test_the_page_runs": ["docs/networks/mlp.md python"]},
}
