"""What goes wrong while images are built, as sentences for the person at the terminal."""


class ImagesError(Exception):
    """An image cannot be built; the message says why, where the log is and who acts next."""
