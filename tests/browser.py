"""A page in headless Chromium that a test looks at, types into and clicks: the DevTools protocol over a pipe.

The browser reads commands from its file descriptor 3 and writes to 4: JSON, a zero byte behind each message.
"""

import base64
import fcntl
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, "Enter": 13, " ": 32}


class Browser:
    """One page.

    Attributes:
        messages: the errors and warnings of its console, and exceptions.
        requests: the addresses that it asked for, data and blobs left out.
    """

    def __init__(self, read: int, write: int):
        self._read, self._write, self._rest, self._number = read, write, b"", 0
        self.messages: list[str] = []
        self.requests: list[str] = []
        (target,) = [
            info["targetId"]
            for info in self.call("Target.getTargets")["targetInfos"]
            if info["type"] == "page"
        ]
        self._session = {
            "sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        }
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    _session: dict[str, str] = {}

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command of the protocol."""
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": params} | self._session
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, address: str, *, ready: str = "document.body?.dataset.ready", seconds: int = 120) -> None:
        """Go to a page and wait until an expression in it is true."""
        self.call("Page.navigate", url=address)
        waiting = f"""new Promise((done) => {{
            const began = Date.now();
            const look = () => ({ready}) || Date.now() - began > {1000 * seconds}
                ? done(Boolean({ready})) : setTimeout(look, 50);
            look();
        }})"""
        assert self.value(waiting), self.messages

    def value(self, expression: str) -> Any:
        """What an expression is in the page, as JSON; of a promise, what it becomes."""
        made = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in made, made["exceptionDetails"]
        return made["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        for key in keys:
            facts = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            typed = {"Enter": "\r", " ": " "}.get(key)
            down = facts | ({"type": "keyDown", "text": typed} if typed else {"type": "rawKeyDown"})
            self.call("Input.dispatchKeyEvent", **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def click(self, selector: str, *, right: float = 0.5, down: float = 0.5) -> None:
        """Click into an element, at these fractions of its width and height."""
        box = self.value(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{ block: "center" }});
                const box = element.getBoundingClientRect();
                return [box.x, box.y, box.width, box.height];
            }})()"""
        )
        x, y = box[0] + right * box[2], box[1] + down * box[3]
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fragment(self) -> dict[str, str]:
        """The address of what is shown, as its names and values."""
        return self.value("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))")

    def screenshot(self, *, whole: bool = False) -> bytes:
        """PNG of the window, or of the whole page."""
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(made["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            block = os.read(self._read, 1 << 20)
            assert block, "the browser has ended"
            self._rest += block
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                address = params["request"]["url"]
                if not address.startswith(("data:", "blob:")):
                    self.requests.append(address)
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.messages.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                self.messages.append(str(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.messages.append(str(params["entry"]["text"]))
        return message


@contextmanager
def browser(folder: Path, *, width: int = 1300, height: int = 900) -> Iterator[Browser]:
    """A browser with one empty page; its profile is below `folder`. Skips the test where there is none."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium is installed here to look at the page")
    (their_read, our_write), (our_read, their_write) = os.pipe(), os.pipe()
    log = os.open(folder / "browser.log", os.O_WRONLY | os.O_CREAT)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    options += ["--disable-background-networking", "--remote-debugging-pipe"]
    options += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", "about:blank"]
    # Not a fork: JAX has threads. Moved up first, since what is to become 3 and 4 may be 4 and 3.
    given = {1: log, 2: log, 3: their_read, 4: their_write}
    moved = {number: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, 10) for number, source in given.items()}
    actions = [(os.POSIX_SPAWN_DUP2, source, number) for number, source in moved.items()]
    process = os.posix_spawn(program, [program, *options], os.environ, file_actions=actions)
    for number in (*moved.values(), log, their_read, their_write):
        os.close(number)
    try:
        yield Browser(our_read, our_write)
    finally:
        os.kill(process, signal.SIGTERM)
        os.waitpid(process, 0)
        os.close(our_read)
        os.close(our_write)


def browse(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """Open a page: its document as the browser parsed it, the addresses it loaded, its console messages."""
    address = page.absolute().as_uri()
    with browser(folder) as opened:
        opened.open(address, ready="document.readyState === 'complete'")
        document = opened.value("document.documentElement.outerHTML")
        return document, sorted(set(opened.requests) - {address}), opened.messages


def nameless(page: Browser) -> list[str]:
    """What takes the focus, or is a picture, and has no name for a screen reader."""
    return page.value(
        """[...document.querySelectorAll("button, select, input, canvas, img, svg[role], [tabindex]")]
            .filter((each) => each.getClientRects().length && !each.getAttribute("aria-label") && !each.alt)
            .filter((each) => !each.textContent.trim() && !each.closest("label"))
            .map((each) => each.outerHTML.slice(0, 80))"""
    )


def assert_it_fits(page: Browser, width: int, scheme: str) -> None:
    """At this width, in a `light` or `dark` scheme: nothing is wider than the window, and it is not blank."""
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    page.call("Emulation.setDeviceMetricsOverride", **size)
    assert page.value("document.documentElement.scrollWidth") <= width
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert picture.std() > 20
    assert (np.median(picture) < 60) == (scheme == "dark")
    page.call("Emulation.clearDeviceMetricsOverride")
    page.call("Emulation.setEmulatedMedia", features=[])


def assert_korean_is_whole(page: Browser) -> None:
    """The page speaks Korean: its headings do, it knows all sentences, with the same fields as in English."""
    assert page.value("document.documentElement.lang") == "ko"
    headings = page.value("[...document.querySelectorAll('h1, h2, h3')].map((each) => each.textContent)")
    assert all(re.search("[가-힣]", heading) for heading in headings)
    texts = page.value("page.text")
    fields = {key: [set(re.findall(r"\{\w+\}", texts[name][key])) for name in texts] for key in texts["en"]}
    assert [key for key, (english, korean) in fields.items() if english != korean] == []
    unknown = page.value(
        """(() => {
            const known = t, unknown = [];
            t = (sentence, ...rest) => {
                if (!(sentence in page.text.ko)) unknown.push(sentence);
                return known(sentence, ...rest);
            };
            drawn.clear();
            draw();
            t = known;
            return unknown;
        })()"""
    )
    assert unknown == []


def reached_by_tab(browser: Browser, presses: int) -> set[str]:
    """The ids of the elements, or of their parents, that so many presses of Tab reach."""
    browser.value("document.activeElement.blur()")
    reached = set()
    for _ in range(presses):
        browser.press("Tab")
        reached.add(browser.value("document.activeElement.id || document.activeElement.parentElement.id"))
    return reached
