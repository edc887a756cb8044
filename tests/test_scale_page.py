"""docs/scale.md: its scripts are scripts, its manifest is one, and its job for SLURM requeues itself."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from catdog.hosts import Place, find_place
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("script", _blocks("bash"))
def test_each_script_is_one(script: str) -> None:
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert "catdog train" in script


def test_two_terminals_are_the_two_processes() -> None:
    places = []
    for line in _blocks("shell")[0].splitlines():
        words = shlex.split(line)
        given = dict(zip(words, words[1:], strict=False))
        places.append(
            find_place(
                {},
                coordinator=given["--coordinator"],
                processes=int(given["--processes"]),
                process=int(given["--process-id"]),
            )
        )
    assert places == [Place("node1:12355", 2, 0), Place("node1:12355", 2, 1)]


def test_the_manifest_names_every_process() -> None:
    manifest = _blocks("yaml")[0]
    # The job's name is in the address of its first pod: JOBSET-JOB-0-0.JOBSET
    jobset, job = re.findall(r"^ +(?:- )?name: (screws|train)$", manifest, re.MULTILINE)
    values = dict(re.findall(r'- name: (CATDOG_\w+)\n +value: "?([^"\n]+)"?', manifest))
    assert values["CATDOG_COORDINATOR"].startswith(f"{jobset}-{job}-0-0.{jobset}:")
    (completions,) = re.findall(r"completions: (\d+)", manifest)
    for number in range(int(completions)):
        place = find_place(
            {"JOB_COMPLETION_INDEX": str(number)},
            coordinator=values["CATDOG_COORDINATOR"],
            processes=int(values["CATDOG_PROCESSES"]),
        )
        assert place == Place(values["CATDOG_COORDINATOR"], int(completions), number)


@pytest.mark.parametrize(("first", "second"), [(75, 0), (75, 75), (0, None), (1, None)])
def test_the_job_requeues_itself_and_resumes(tmp_path: Path, first: int, second: int | None) -> None:
    """With an srun and an scontrol that write down what they are given."""
    (script,) = [block for block in _blocks("bash") if "requeue" in block]
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, body in (
        ("srun", 'mkdir -p runs/screws; touch runs/screws/config.json; exit "$STATUS"'),
        ("scontrol", "exit 0"),
    ):
        (tools / name).write_text(f'#!/bin/bash\necho "{name} $*" >> log\n{body}\n')
        (tools / name).chmod(0o755)

    def run(status: int) -> list[str]:
        environment = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "STATUS": str(status),
            "SLURM_JOB_ID": "7",
        }
        (tmp_path / "log").unlink(missing_ok=True)
        done = subprocess.run(["bash"], input=script, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == status
        return (tmp_path / "log").read_text().splitlines()

    requeue = ["scontrol requeue 7"]
    assert run(first) == [
        "srun catdog train photos --name screws --unfreeze block5",
        *(requeue if first == 75 else []),
    ]
    if second is not None:
        assert run(second) == ["srun catdog train --resume runs/screws", *(requeue if second == 75 else [])]
