"""How an evaluation is carried out: what is asked, planned, fitted and kept."""
