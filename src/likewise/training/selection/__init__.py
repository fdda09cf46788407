"""Which network a run saves: validation, baselines, the start model, and the rule that decides."""
