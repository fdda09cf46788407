"""Retrieval: are the nearest of the same class?"""
