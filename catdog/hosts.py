"""One command in several processes, on one host or many: who belongs to it, and what they tell each other.

JAX's distributed runtime connects them. A process that is alone does not start it, and pays for nothing here.
"""

import contextlib
import ctypes
import json
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catdog import interrupt
from catdog.errors import CatdogError, OptionError
from catdog.text import Message, message

VARIABLES = ("CATDOG_COORDINATOR", "CATDOG_PROCESSES", "CATDOG_PROCESS_ID")
_HEARTBEAT = "CATDOG_HEARTBEAT_SECONDS"
_HEARTBEAT_SECONDS = 10  # without a sign of life, a process counts as dead
_SHUTDOWN_SECONDS = 45  # of waiting for the others at the end: a disk may stand still for half a minute
_PATIENCE = 3600.0  # seconds that a process waits for another one at the same point
_LISTEN = 0.25  # seconds between two looks at whether the command ends early
_PAUSE = 0.1  # seconds between two looks at whether another process has come, at most
_AHEAD = 16  # values that a process sends before process 0 takes them
_STUCK = 15.0  # seconds after which a process does not see a signal any more; some schedulers give it 30
_FAREWELL = 1.5  # seconds that the others have to read why this process ends
AUTO = "auto"  # the coordinator, the number of processes and this one's number are what JAX finds

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """The place of this process among several.

    Attributes:
        coordinator: HOST:PORT of process 0; None leaves it to JAX, which knows the launcher.
        processes: how many there are; None as `coordinator`.
        process: the number of this one, from 0; None as `coordinator`.
        launcher: JAX's name of it, where JAX is asked.
        device: the number of its GPU, where the launcher has started several processes on one host, all of
            which see all GPUs; None takes all, or what JAX finds.
    """

    coordinator: str | None
    processes: int | None
    process: int | None
    launcher: str | None = None
    device: int | None = None


def find_place(
    environment: Mapping[str, str],
    *,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> Place | None:
    """The place that the options name, or else the launcher's variables; None for a process that is alone.

    One process without a number is alone, whatever the launcher says.

    Raises:
        OptionError: a part is missing, or they do not go together.
    """
    if processes == 1 and process is None:
        return None
    known = _launched(environment)
    if coordinator == AUTO or (known and known.processes is None and coordinator is None):
        return Place(None, None, None, known.launcher if known else None)
    if processes is None:
        processes = known.processes if known else None
    if process is None:
        process = known.process if known else None
    if process is None and processes and "JOB_COMPLETION_INDEX" in environment:  # Kubernetes' Indexed Job
        process = int(environment["JOB_COMPLETION_INDEX"])
    coordinator = coordinator or (known.coordinator if known else None)
    if processes is None and process is None and coordinator is None:
        return None
    launcher = known.launcher if known and coordinator is None else None
    if processes is None or process is None or (processes > 1 and coordinator is None and not launcher):
        raise OptionError(
            "a command in several processes needs --coordinator HOST:PORT (of process 0), --processes N and "
            "--process-id I, or the variables {variables}; found {coordinator}, {processes} and {process}. "
            "With --processes 1 this process works alone.",
            variables=", ".join(VARIABLES),
            coordinator=coordinator,
            processes=processes,
            process=process,
        )
    if not 0 <= process < processes:
        raise OptionError(
            "expected a process number from 0 to {last}, found {process}", last=processes - 1, process=process
        )
    device = known.device if known and not launcher else None
    return Place(coordinator, processes, process, launcher, device) if processes > 1 else None


def _launched(environment: Mapping[str, str]) -> Place | None:
    """What the variables of a launcher say, if it has started more than one process."""

    def number(name: str) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdecimal() else 0

    def device(rank: str, size: str) -> int | None:
        return number(rank) if number(size) > 1 else None

    # srun may have started mpirun or torchrun, once for each node: theirs come first.
    if number("OMPI_COMM_WORLD_SIZE") > 1:
        launcher = "ompi" if "OMPI_MCA_orte_hnp_uri" in environment else None
        own = device("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE")
        return Place(None, number("OMPI_COMM_WORLD_SIZE"), number("OMPI_COMM_WORLD_RANK"), launcher, own)
    if len(environment.get("TPU_WORKER_HOSTNAMES", "").split(",")) > 1:  # Cloud TPU in Kubernetes
        return Place(None, None, None, "gketpu")
    if number("WORLD_SIZE") > 1 and "RANK" in environment and "MASTER_ADDR" in environment:
        # torchrun itself listens on its port.
        port = number("MASTER_PORT") + (environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True")
        address, own = f"{environment['MASTER_ADDR']}:{port}", device("LOCAL_RANK", "LOCAL_WORLD_SIZE")
        return Place(address, number("WORLD_SIZE"), number("RANK"), device=own)
    if number("SLURM_STEP_NUM_TASKS") > 1:  # set by srun alone, not in the script of the job
        return Place(None, number("SLURM_STEP_NUM_TASKS"), number("SLURM_PROCID"), "slurm")
    return None


class Group:
    """The processes of a command; with one process, all of this costs nothing.

    Attributes:
        process: the number of this one, from 0.
        processes: how many there are.
    """

    def __init__(self, process: int = 0, processes: int = 1, client: Any = None):
        self.process, self.processes, self._client = process, processes, client
        self._round = 0
        self._passed = Counter[int]()  # values that a process has sent, or this one has received from it
        self._is_over = False

    @property
    def prefix(self) -> str:
        """What the lines of this process begin with."""
        return f"[{self.process}] " if self.process else ""

    def owns(self, digest: str) -> bool:
        """Whether this process computes the features of a content digest, hex."""
        return self.owner(digest) == self.process

    def owner(self, digest: str) -> int:
        """The number of that process."""
        return int(digest[:12], 16) % self.processes

    def gather(self, value: Any, *, patience: float = _PATIENCE) -> list[Any]:
        """The values of all processes, in their order: JSON values. All have to call it, each as often.

        Args:
            patience: seconds that this process waits for the others.

        Raises:
            CatdogError: a process does not come, or cannot be reached.
        """
        if self.processes == 1:
            return [value]
        self._round += 1
        self._set(f"catdog/{self._round}/{self.process}", json.dumps(value))
        until = time.monotonic() + patience
        return [
            json.loads(self._wait(f"catdog/{self._round}/{number}", number, until))
            for number in range(self.processes)
        ]

    def first(self, value: Any) -> Any:
        """That of process 0."""
        return self.gather(value if self.process == 0 else None)[0]

    def any(self, value: bool) -> bool:
        """Whether it is true in any process."""
        return any(self.gather(value))

    def send(self, value: Any) -> None:
        """Give process 0 a JSON value; waits while it has not taken many of those before."""
        number = self._passed[self.process]
        while number >= _AHEAD and self._value(_mail(self.process, number - _AHEAD)) is not None:
            time.sleep(_PAUSE)
        self._set(_mail(self.process, number), json.dumps(value))
        self._passed[self.process] += 1

    def receive(self, process: int) -> Any:
        """Process 0 takes the next value that this process has sent, however long it computes.

        Raises:
            CatdogError: it cannot be reached.
        """
        key = _mail(process, self._passed[process])
        value = self._wait(key, process, math.inf)
        self._client.key_value_delete(key)
        self._passed[process] += 1
        return json.loads(value)

    def require_same(self, facts: Mapping[str, Any]) -> None:
        """Compare facts, by what they are called, however long one process reads all photos for them.

        Raises:
            OptionError: names the first one that differs.
        """
        mine = self.gather(dict(facts), patience=math.inf)
        for number, others in enumerate(mine):
            for name, value in mine[0].items():
                if others.get(name) != value:
                    raise OptionError(
                        "all processes need the same {name}: process 0 has {first}, process {number} has "
                        "{other}",
                        name=name,
                        first=value,
                        number=number,
                        other=others.get(name),
                    )

    def finish(self) -> None:
        """Wait for the end of all processes, however long one trains alone; then a signal comes too late."""
        self.gather(None, patience=math.inf)
        self._is_over = True
        interrupt.ignore_preemption()

    def is_broken(self, error: RuntimeError) -> bool:
        """Whether this is what a step raises where another process has died."""
        import jax

        is_of_a_step = isinstance(error, jax.errors.JaxRuntimeError)
        return self.processes > 1 and is_of_a_step and "RESOURCE_EXHAUSTED" not in str(error)

    def end(self, status: int, sentence: str) -> None:
        """End a process that has failed or was stopped, after telling the others why; returns where alone."""
        if self.processes == 1 or self._is_over:
            return
        self._is_over = True
        try:
            with contextlib.suppress(Exception):  # if the others cannot be reached, they see it themselves
                if status == interrupt.PREEMPTED:
                    self._set(f"{_STOP}/{self.process}", "")
                    for number in range(self.processes):  # one may still write
                        self._wait(f"{_STOP}/{number}", number, math.inf)
                else:
                    # The name of a file need not be UTF-8.
                    told = sentence.encode("utf-8", "backslashreplace").decode("utf-8")
                    self._set(f"{_FAILED}/{self.process}", told)
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            if self.process == 0:  # it has what the others read, and they end a moment later
                time.sleep(1.5 * _FAREWELL)
            elif status != interrupt.PREEMPTED:
                time.sleep(_FAREWELL)
        finally:  # also after a second signal
            os._exit(status)  # the runtime would wait for the others

    def listen(self, tell: Tell, died: str, failed: Callable[[int, str], str]) -> None:
        """From now on this process ends when another one fails or dies, and stops when another one stops.

        Args:
            tell: shows a line to a person.
            died: the line for a process that has died.
            failed: the line for a process that has failed, from its number and its own sentence.
        """
        self._end_where_jax_aborts(died)
        threading.Thread(target=self._listen, args=(tell, failed), daemon=True).start()

    def _listen(self, tell: Tell, failed: Callable[[int, str], str]) -> None:
        asked = math.inf  # when another one has stopped
        while not self._is_over:
            time.sleep(_LISTEN)
            with contextlib.suppress(Exception):  # JAX itself ends the process when others cannot be reached
                if asked == math.inf and self._client.key_value_dir_get(_STOP):
                    asked = time.monotonic()
                    os.kill(os.getpid(), signal.SIGTERM)
                if time.monotonic() - asked > _STUCK and not interrupt.requested():
                    # JAX waits for the one that has stopped, and Python sees no signal meanwhile.
                    self.end(interrupt.PREEMPTED, "")
                for key, sentence in self._client.key_value_dir_get(_FAILED):
                    number = int(key.rsplit("/", 1)[1])
                    if number != self.process and not self._is_over:
                        try:
                            tell(failed(number, sentence))
                        finally:  # also where nobody reads stderr any more
                            os._exit(1)

    def _end_where_jax_aborts(self, died: str) -> None:
        """JAX aborts a process when another one has died, and takes no other instruction."""

        def end(_: int) -> None:
            os.write(2, f"{died}\n".encode())
            os._exit(interrupt.PREEMPTED if interrupt.requested() else 1)

        if os.name == "nt":
            return
        global _handler
        _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
        ctypes.CDLL(None).signal(signal.SIGABRT, _handler)

    def _set(self, key: str, value: str) -> None:
        self._client.key_value_set(key, value)

    def _wait(self, key: str, process: int, until: float) -> str:
        pause = 0.002
        while (value := self._value(key)) is None:
            if time.monotonic() > until:
                raise CatdogError(
                    "process {process} has not come as far as the others within {minutes} minutes",
                    process=process,
                    minutes=round(_PATIENCE / 60),
                )
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE)
        return value

    def _value(self, key: str) -> str | None:
        """None where nobody has set it, or process 0 has taken it."""
        try:
            return self._client.key_value_try_get(key)
        except Exception as error:
            if "NOT_FOUND" not in str(error):
                raise lost() from error
        return None


def _mail(process: int, number: int) -> str:
    """The key of what this process sends to process 0."""
    return f"catdog/mail/{process}/{number}"


_STOP, _FAILED = "catdog/stop", "catdog/failed"
_handler: Any = None  # must live as long as the process
ALONE = Group()
_group = ALONE

DIED = message(
    "another process has died or cannot be reached, so this one ends too. The features so far are in the "
    "cache. A training continues with: catdog train --resume RUN"
)


def lost() -> CatdogError:
    """Another process has died."""
    return CatdogError(DIED)


def failed(process: int, sentence: str) -> Message:
    """What a process tells when another one has failed."""
    return message("process {process} has ended: {sentence}", process=process, sentence=sentence)


def group() -> Group:
    """The processes of this command."""
    return _group


def join(place: Place) -> Group:
    """Connect this process with the others; before JAX looks for a device.

    Raises:
        CatdogError: they cannot be reached.
    """
    import jax
    from jax._src import distributed  # its client is not public, but what Orbax and others use

    global _group
    jax.config.update("jax_enable_preemption_service", False)  # it would keep SIGTERM for itself
    seconds = int(os.environ.get(_HEARTBEAT) or _HEARTBEAT_SECONDS)
    asks_jax = place.coordinator is None
    try:
        jax.distributed.initialize(
            place.coordinator,
            place.processes,
            place.process,
            local_device_ids=place.device,
            cluster_detection_method=place.launcher if asks_jax else "deactivate",
            heartbeat_timeout_seconds=seconds,
            shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        raise CatdogError(
            "the processes cannot be connected through {coordinator}: {reason}",
            coordinator=place.coordinator or AUTO,
            reason=str(error).splitlines()[0],
        ) from error
    state = distributed.global_state
    _group = Group(state.process_id, state.num_processes, state.client)
    return _group
