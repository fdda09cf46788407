"""Comparison of losses under equal conditions, with tests of significance."""
