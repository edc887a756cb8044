"""The commands, each a module that is imported when it is asked for. Only here click and rich are used."""

import errno
import importlib
import io
import shlex
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from textwrap import indent

import click

from catdog import __version__, devices, hosts, interrupt
from catdog.cli.command import CONTEXT, Translated, lang_option
from catdog.cli.translate import UsageError, language_of, speaking, translated
from catdog.errors import CatdogError
from catdog.escapes import visible, visible_name
from catdog.text import N_, message

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

COMMANDS = {
    "train": N_("fine-tune on a folder of photos, write runs/<name>/"),
    "evaluate": N_("measure how good a run is, and on which photos it is wrong"),
    "predict": N_("classify photos"),
    "inspect": N_("look inside: the architecture, a run, a data set, a photo, the cache"),
    "export": N_("write a run as one file that needs nothing else"),
}


class _LazyGroup(Translated, click.Group):
    """Knows the commands by name and sentence; imports one only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        devices.set_flags()  # some are read as soon as jaxlib is imported
        return importlib.import_module(f"catdog.cli.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and (close := get_close_matches(name, COMMANDS, 1)):
            raise UsageError("No such command {name!r}. Did you mean {other!r}?", name=name, other=close[0])
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(translated(N_("Commands"))):
            formatter.write_dl([(name, translated(sentence)) for name, sentence in COMMANDS.items()])
        super().format_options(ctx, formatter)


@click.group(cls=_LazyGroup, context_settings=CONTEXT)
@lang_option
@click.version_option(__version__, prog_name="catdog", help=N_("Show the version and exit."))
def cli() -> None:
    """Fine-tune ImageNet's VGG16 on a folder of photos, and classify with it."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status: 0, 1 (an error), 2 (usage), 75 (stopped by a
    scheduler, everything saved) or 130 (Ctrl-C).

    A command finds the line itself as the context's `obj`.
    """
    typed = shlex.join(["catdog", *arguments])
    with speaking(language_of(arguments)):
        try:
            status = _main(arguments, typed)
        except click.ClickException as error:
            shown = io.StringIO()
            error.show(shown)
            lines = shown.getvalue().split("\n")  # not splitlines: a name may have U+0085 in it
            click.echo("\n".join(visible(line) for line in lines).rstrip("\n"), err=True)
            hosts.group().end(error.exit_code, error.format_message())
            return error.exit_code
        except CatdogError as error:
            sentence = visible_name(translated(error.message))
            line = translated(message("catdog: error: {sentence}", sentence=sentence))
            with suppress(OSError):  # stderr may be on the same full disk
                click.echo(hosts.group().prefix + line, err=True)
            hosts.group().end(1, sentence)
            return 1
        except (click.Abort, KeyboardInterrupt) as error:
            interrupt.seen()
            was_preempted = isinstance(error.__cause__ or error, interrupt.Preempted)
            status = interrupt.PREEMPTED if was_preempted else 130
            hosts.group().end(status, translated(message("stopped by Ctrl-C")))
            return status
        except (BrokenPipeError, SystemExit):
            # The reader of stdout has seen enough: `catdog predict … | head`. click makes a SystemExit of it,
            # and of nothing else where it does not stand alone.
            sys.stdout = None
            hosts.group().end(0, translated(message("nobody reads the output any more")))
            return 0
        except Exception as error:
            if (group := hosts.group()).processes > 1:  # the others would wait for this one
                click.echo(indent(traceback.format_exc(), group.prefix), err=True)
                group.end(1, f"{type(error).__name__}: {error}")
            raise
    return status if isinstance(status, int) else 0


def _main(arguments: Sequence[str], typed: str) -> object:
    try:
        return cli.main(list(arguments), prog_name="catdog", standalone_mode=False, obj=typed)
    except OSError as error:
        if error.errno not in _FULL or error.filename:
            raise
        sys.stdout = None  # Python would try it once more
        raise CatdogError(
            "the output of this command cannot be written: {reason}. Free some space, or send it to another "
            "disk; `catdog train --resume` continues a training that has begun.",
            reason=error,
        ) from error


def main() -> None:
    """The console script."""
    interrupt.install()
    if isinstance(sys.stdout, io.TextIOWrapper):  # the name of a file need not be UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    status = run(sys.argv[1:])
    interrupt.seen()
    sys.exit(status)
