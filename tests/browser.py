"""Pages in a real browser: headless Chromium, which says what a page fetches and what it complains about."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def browse(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """Open a page: its document as the browser understood it, the addresses it asked for, its complaints.

    Skips the test where there is no Chromium.
    """
    browser = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium is installed here to look at the page")
    log = folder / "net.json"
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
            "--dump-dom",
            page.absolute().as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    text = log.read_text()
    try:
        events = json.loads(text)["events"]
    except json.JSONDecodeError:  # the browser does not always close its list
        events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    # A page is the initiator of what it asks for; what the browser does on its own behalf has none.
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    fetched = {one["url"] for one in asked if one["initiator"] != "not an origin"}
    return done.stdout, sorted(url for url in fetched if not url.startswith("data:")), complaints
