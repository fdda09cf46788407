"""The pages of the documentation, and the code that draws their pictures."""
