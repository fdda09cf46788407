"""How accurate training is on real data, with intervals, against a plain script and a peer."""
