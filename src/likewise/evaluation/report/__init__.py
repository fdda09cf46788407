"""Reports of an evaluation: the page, the scores, and two reports compared."""
