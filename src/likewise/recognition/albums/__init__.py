"""Albums: the faces of many photos grouped by person, with names that survive further runs."""
