"""GitHub's workflows executed on this machine: their expressions, and enough of the runner for the ones shipped here."""
