"""Drives a headless Chromium through the steps of a test, and says what each step saw.

    python browser.py < steps.json

A step is a list: its name and arguments.

    ["open", address]            loads a page and waits until its script has written everything
    ["size", width, height]      the size of the window, as a phone has it where it is narrow
    ["dark", true]               what the system prefers
    ["run", script]              the value of a script
    ["errors"]                   console messages that are warnings or worse, refusals by the page's policy among them
    ["requests"]                 addresses that were asked for since the last step of this name
    ["shot", file]               a picture of the whole page
    ["pdf", file]                the page on paper; says the text of each sheet
    ["axe", file]                violations of accessibility rules, by the axe-core of that file

Prints a JSON list with what each step saw.
"""

import base64
import io
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from pypdf import PdfReader
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

LONGEST = 30


class Browser:
    def __init__(self, profile: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        # Nothing but the page: no updates, no accounts, no first run.
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         "--disable-background-networking", "--disable-component-update", "--disable-sync",
                         "--window-size=1280,900", "--lang=en", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(LONGEST)
        # The browser's own first page asks for its own parts.
        self.driver.get("about:blank")
        self.requests()

    def command(self, name: str, **arguments: object) -> dict:
        return self.driver.execute_cdp_cmd(name, arguments)

    def open(self, address: str) -> float:
        # A page that differs in its fragment alone would not be loaded anew.
        self.driver.get("about:blank")
        self.driver.get(address)
        until = time.monotonic() + LONGEST
        while not self.run("return document.documentElement.dataset.ready === 'yes'"):
            if time.monotonic() > until:
                raise SystemExit(f"the page is not ready: {self.errors()} {self.run('return document.body.innerText.slice(0, 500)')}")
            time.sleep(0.02)
        return self.run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")

    def size(self, width: int, height: int) -> None:
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 500)

    def dark(self, is_dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def run(self, script: str) -> object:
        return self.driver.execute_script(script)

    def errors(self) -> list[str]:
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = (message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent")
        # What an address holds itself is asked of nobody; the browser's own icons are such.
        return [address for address in sent if address != "about:blank" and not address.startswith("data:")]

    def shot(self, file: str) -> list[int]:
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 16000), "scale": 1}
        picture = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(file).write_bytes(base64.b64decode(picture["data"]))
        return [width, height]

    def pdf(self, file: str) -> list[str]:
        printed = self.command("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        content = base64.b64decode(printed["data"])
        Path(file).write_bytes(content)
        return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]

    def axe(self, file: str) -> list[str]:
        # By the debugger, which no policy of the page binds.
        self.command("Runtime.evaluate", expression=Path(file).read_text())
        expression = "axe.run().then((found) => JSON.stringify(found.violations))"
        answer = self.command("Runtime.evaluate", expression=expression, awaitPromise=True)
        violations = json.loads(answer["result"]["value"])
        return [f"{found['impact']} {found['id']}: {node['target']} {node.get('failureSummary')}"
                for found in violations for node in found["nodes"]]


def main() -> None:
    steps = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            seen = [getattr(browser, name)(*arguments) for name, *arguments in steps]
        finally:
            browser.driver.quit()
    print(json.dumps(seen))


main()
