"""Pictures that explain the losses, made by the losses themselves."""
