"""Pages in a real browser: headless Chromium, which reports what a page loads and its errors."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def browse(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """Open a page: its document as the browser parsed it, the addresses it loaded, its console messages.

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
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    text = log.read_text()
    try:
        events = json.loads(text)["events"]
    except json.JSONDecodeError:  # the browser does not always close its list
        events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    # A page is the initiator of its requests; the browser's own have none.
    requests = [event["params"] for event in events if "initiator" in event.get("params", {})]
    loaded = {request["url"] for request in requests if request["initiator"] != "not an origin"}
    return done.stdout, sorted(url for url in loaded if not url.startswith("data:")), messages
