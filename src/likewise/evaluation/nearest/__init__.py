"""The exact nearest neighbours, in bounded memory."""
