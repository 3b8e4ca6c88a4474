"""A real browser: Chromium with its driver, by selenium."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from bridge.web.console.sections import Role
from tests.web.console.case import PASSWORDS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def required() -> None:
    """Skip the test where there is no browser; in CI there has to be one."""
    if os.environ.get("CI") == "true":
        assert CHROMIUM, "CI walks the console: .ci/run installs chromium"
        assert DRIVER, "CI walks the console: .ci/run installs chromium-driver"
    if not CHROMIUM or not DRIVER:
        pytest.skip("no chromium with its chromedriver on this machine")


@contextmanager
def browser(width: int, *, script: bool) -> Iterator[webdriver.Chrome]:
    """One that is so wide, with or without JavaScript; closed after the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    if not script:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # it leaves files in TMPDIR
        browser = webdriver.Chrome(options=options, service=Service(DRIVER, env=os.environ | {"TMPDIR": folder}))
        browser.set_page_load_timeout(60)
        try:
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            yield browser
        finally:
            browser.quit()


def sign_in(browser: webdriver.Chrome, base: str, language: str) -> None:
    """Sign in as the admin."""
    browser.delete_all_cookies()
    browser.get(f"{base}/console/login?lang={language}")
    for field, value in zip(("name", "password"), PASSWORDS[Role.ADMIN], strict=True):
        browser.find_element(By.ID, field).clear()
        browser.find_element(By.ID, field).send_keys(value)
    press(browser, browser.find_element(By.CSS_SELECTOR, "form.login button"))
    assert urlsplit(browser.current_url).path == "/console/"


def press(browser: webdriver.Chrome, button: WebElement) -> None:
    """Press a button that leads to another page, and wait for that page: a click alone may return before it."""
    page = browser.find_element(By.TAG_NAME, "html")
    button.click()
    # Between two documents the driver may answer with an error of the inspector's instead of "stale": ask again.
    wait = WebDriverWait(browser, 60, ignored_exceptions=[WebDriverException])
    wait.until(expected_conditions.staleness_of(page))


def until(holds: Any, browser: webdriver.Chrome) -> None:
    """Wait until it holds; somebody moves the mouse meanwhile."""

    def moved(_browser: webdriver.Chrome) -> Any:
        webdriver.ActionChains(browser).move_by_offset(1, 0).perform()
        return holds()

    WebDriverWait(browser, 60, poll_frequency=0.5).until(moved)
