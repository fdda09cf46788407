"""The tuner: which index is the fastest that surely reaches a recall, and does it still hold?"""
