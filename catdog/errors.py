"""The exceptions of catdog.

Each message is one line that says what was expected, what was found and what to do next. The library raises
them; only `catdog.cli` turns a `CatdogError` into a line on stderr and exit status 1.
"""

from catdog.text import Message


class CatdogError(Exception):
    """An error that the user can do something about. `str(error)` is the whole message, one English line.

    Attributes:
        message: the same as a `Message`, which the command line translates.

    Args:
        template: of the message, or a whole message.
        fields: of the template.
    """

    def __init__(self, template: str | Message, /, **fields: object):
        self.message = template if isinstance(template, Message) else Message(template, fields)
        super().__init__(str(self.message))


class DataError(CatdogError):
    """A folder that cannot be used as a data set."""


class PhotoError(CatdogError):
    """One photo that cannot be read. The message is the reason alone; the caller knows the path."""


class WeightsError(CatdogError):
    """A weights file that is missing, damaged, or for another architecture."""


class RunError(CatdogError):
    """A run folder that is missing, incomplete or damaged, or does not match the photos or the weights."""


class CacheError(CatdogError):
    """A feature cache that cannot be written."""


class OptionError(CatdogError):
    """Options that do not go together."""
