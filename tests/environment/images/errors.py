"""Errors of image builds; each message is for the user at the terminal."""


class ImagesError(Exception):
    """An image cannot be built; the message says why, where the log is and who acts next."""
