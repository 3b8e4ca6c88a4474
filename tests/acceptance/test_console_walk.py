"""A real browser opens every page of the console: in both languages, on a wide screen and on a phone, with and without
JavaScript, as whoever sees most. New sections and pages are found by themselves.

axe-core (https://github.com/dequelabs/axe-core) looks for what keeps people out; AXE names its axe.min.js (`.ci/run`
fetches it; without it that part is left out). A browser has to be there in CI.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from bridge.config.files import fingerprint
from bridge.config.versions import Versions
from bridge.store.schema import connect
from bridge.web.console.site import access
from tests.web.bridge_process import Bridge, running
from tests.web.console import chromium
from tests.web.console.case import CONFIGURATION
from tests.web.console.filled import ASKED, fill
from tests.web.console.routes import ROUTES

AXE = os.environ.get("AXE", "")
_WAYS = [(width, script) for width in (1280, 390) for script in (True, False)]
_SERIOUS = {"serious", "critical"}
_LINKS = re.compile(r'href="(/console/[^"#]*)"')


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    chromium.required()
    if os.environ.get("CI") == "true":
        assert AXE, "CI looks with axe: .ci/run fetches axe-core"
    folder = tmp_path_factory.mktemp("walked")
    file = folder / "config.yaml"
    file.write_text(CONFIGURATION, encoding="utf-8")
    _save_a_version(file)
    database = connect("sqlite:///bridge.db", folder)
    fill(database)
    database.close()
    with running(folder) as bridge:
        yield bridge


def _save_a_version(file: Path) -> None:
    """A change to the configuration, as the console keeps them."""
    state = file.parent / ".infocaller-bridge"
    state.mkdir(mode=0o700)
    before = file.read_bytes()
    Versions(state).save(file, before + b"# more\n", expected=fingerprint(before), who="ana", now=datetime.now(UTC))


def _pages(browser: webdriver.Chrome, faults: list[str]) -> Iterator[str]:
    """Every page that is declared, and for those of single things one that a page before it links to; that none does is
    among the faults."""
    rules = [rule for endpoint, method, rule in ROUTES if method == "GET" and _is_page(endpoint)]
    waiting = ["/console/nothing-here", *(ASKED.get(rule, rule) for rule in rules if "<" not in rule)]
    lacking = {rule: re.compile(re.sub(r"<[^>]*+>", "[^/?]++", rule)) for rule in rules if "<" in rule}
    seen = set(waiting)
    while waiting:
        yield waiting.pop(0)
        for link in _LINKS.findall(browser.page_source):
            path = urlsplit(link.replace("&amp;", "&")).path
            rule = next((rule for rule, pattern in lacking.items() if pattern.fullmatch(path)), "")
            if rule and path not in seen:
                del lacking[rule]
                seen.add(path)
                waiting.append(path)
    faults += [f"no page links to {rule}: tests/web/console/filled.py has nothing for it" for rule in lacking]


def _is_page(endpoint: str) -> bool:
    return access()[endpoint].kind == "page"


def _faults(browser: webdriver.Chrome, base: str, *, script: bool) -> Iterator[str]:
    """What is wrong with the page that is open."""
    logs: Any = browser  # whose `get_log` has no types
    for entry in logs.get_log("browser"):
        if not ("nothing-here" in entry["message"] and "404" in entry["message"]):
            yield f"console: {entry['message']}"
    for entry in logs.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith((base, "data:", "chrome:", "about:")):
                yield f"asks somebody else: {url}"
    wide = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})
    if wide["cssContentSize"]["width"] > wide["cssLayoutViewport"]["clientWidth"]:
        yield f"scrolls sideways: {wide['cssContentSize']['width']} px"
    if "<script>alert" in browser.page_source or browser.find_elements(By.CSS_SELECTOR, "img[onerror]"):
        yield "what a stranger said is markup"
    if script and AXE:
        yield from _axe(browser)


def _axe(browser: webdriver.Chrome) -> Iterator[str]:
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": Path(AXE).read_text("utf-8")})
    found: Sequence[Any] = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then((r) => done(r.violations), (e) => done([{impact: 'serious', "
        "id: String(e), nodes: []}]));"
    )
    for violation in found:
        if violation["impact"] in _SERIOUS:
            yield f"axe: {violation['id']}: {[node['html'][:200] for node in violation['nodes'][:3]]}"


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize(("width", "script"), _WAYS)
def test_every_page_is_sound(walked: Bridge, language: str, width: int, script: bool) -> None:
    base = f"http://127.0.0.1:{walked.port}"
    faults: list[str] = []
    with chromium.browser(width, script=script) as browser:
        browser.get(f"{base}/console/login?lang={language}")
        faults += [f"sign-in: {fault}" for fault in _faults(browser, base, script=script)]
        chromium.sign_in(browser, base, language)
        for page in _pages(browser, faults):
            browser.get(base + page)
            faults += [f"{page}: {fault}" for fault in _faults(browser, base, script=script)]
            assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == language
            assert browser.find_elements(By.TAG_NAME, "h1"), page
    assert faults == []


def test_a_button_works_without_a_script_and_asks_first(walked: Bridge) -> None:
    base = f"http://127.0.0.1:{walked.port}"
    with chromium.browser(390, script=False) as browser:
        chromium.sign_in(browser, base, "en")
        row = browser.find_element(By.XPATH, "//tr[th[text()='912345678']]")
        row.find_element(By.TAG_NAME, "summary").click()
        row.find_element(By.NAME, "reason").send_keys("roof on fire")
        chromium.press(browser, row.find_element(By.CSS_SELECTOR, "button.danger"))
        _says(browser, "Line 912345678 places no calls until somebody resumes it.")
        row = browser.find_element(By.XPATH, "//tr[th[text()='912345678']]")
        assert "ana: roof on fire" in row.text
        chromium.press(browser, row.find_element(By.CSS_SELECTOR, "form.action button"))
        _says(browser, "Line 912345678 places calls again.")


def _says(browser: webdriver.Chrome, text: str) -> None:
    """Wait until the page is there that says what came of an action."""
    wait = WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException])
    wait.until(expected_conditions.text_to_be_present_in_element((By.CSS_SELECTOR, "[role=status]"), text))


def test_a_page_keeps_itself_up_to_date_and_what_is_typed_stays(walked: Bridge) -> None:
    base = f"http://127.0.0.1:{walked.port}"
    with chromium.browser(1280, script=True) as browser, chromium.browser(1280, script=True) as other:
        chromium.sign_in(browser, base, "en")
        chromium.sign_in(other, base, "en")
        row = browser.find_element(By.XPATH, "//tr[th[text()='912345678']]")
        row.find_element(By.TAG_NAME, "summary").click()
        row.find_element(By.NAME, "reason").send_keys("half a sent")
        chromium.press(other, other.find_element(By.CSS_SELECTOR, ".trouble form.action button"))
        gone = other.find_elements(By.CSS_SELECTOR, ".trouble")
        chromium.until(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".trouble")) == len(gone), browser)
        assert row.find_element(By.NAME, "reason").get_attribute("value") == "half a sent"
        chromium.press(other, other.find_element(By.CSS_SELECTOR, ".side .account button"))
        kept = browser.get_cookie("console_session")
        assert kept, "it is signed in"
        chromium.press(browser, browser.find_element(By.CSS_SELECTOR, ".side .account button"))
        browser.back()
        chromium.until(lambda: urlsplit(browser.current_url).path == "/console/login", browser)
