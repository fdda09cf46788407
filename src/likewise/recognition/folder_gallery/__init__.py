"""A folder of people as a gallery: one subfolder a person, its faces cached between runs."""
