"""Verification: do two photos show the same person?"""
