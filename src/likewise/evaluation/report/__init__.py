"""The report of an evaluation, and the comparison of two reports."""
