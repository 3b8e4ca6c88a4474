"""A real browser edits the configuration: faults at their lines, completion, explanation; what is saved is in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.bridge_process import Bridge, running
from tests.web.console import chromium
from tests.web.console.case import USERS

CONFIGURATION = f"""# ours
server: {{url_key: unguessable-part-of-the-url, workers: 1}}
lines:
  - number: "912345678"
    password: "${{INFOCALLER_PASSWORD}}"
queries:
  ECO:
    answer: {{X: "1"}}
{USERS}"""
EDITOR = ".cm-content"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    chromium.required()
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with running(tmp_path) as bridge:
        yield bridge


@pytest.fixture
def browser(bridge: Bridge) -> Iterator[Chrome]:
    with chromium.browser(1280, script=True) as browser:
        chromium.sign_in(browser, f"http://127.0.0.1:{bridge.port}", "en")
        browser.get(f"http://127.0.0.1:{bridge.port}/console/config")
        chromium.until(lambda: browser.find_elements(By.CSS_SELECTOR, EDITOR), browser)
        yield browser


def shown(browser: Chrome, selector: str) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector)]


def line(browser: Chrome, number: int) -> Any:
    return browser.find_elements(By.CSS_SELECTOR, ".cm-line")[number - 1]


def type_after(browser: Chrome, number: int, *keys: str) -> None:
    """Type at the end of a line."""
    line(browser, number).click()
    ActionChains(browser).send_keys(Keys.END, *keys).perform()


def errors(browser: Chrome) -> list[str]:
    logs: Any = browser  # whose `get_log` has no types
    return [entry["message"] for entry in logs.get_log("browser")]


def test_a_fault_is_marked_at_its_line_and_explained(browser: Chrome) -> None:
    type_after(browser, 8, Keys.ENTER, Keys.HOME, "  FALLO: {anser: {X: 2}}")
    chromium.until(lambda: browser.find_elements(By.CSS_SELECTOR, ".cm-lint-marker-error"), browser)
    [mark] = browser.find_elements(By.CSS_SELECTOR, ".cm-lint-marker-error")
    assert abs(mark.rect["y"] - line(browser, 9).rect["y"]) < line(browser, 9).rect["height"]
    ActionChains(browser).move_to_element(mark).perform()
    chromium.until(lambda: "did you mean answer?" in " ".join(shown(browser, ".cm-tooltip")), browser)
    assert errors(browser) == []


def test_keys_and_values_are_completed_and_explained(browser: Chrome) -> None:
    type_after(browser, 5, Keys.ENTER, "coun")
    chromium.until(lambda: "country" in shown(browser, ".cm-completionLabel"), browser)
    ActionChains(browser).pause(0.2).send_keys(Keys.ENTER).perform()
    chromium.until(lambda: line(browser, 6).text.strip() == "country:", browser)
    ActionChains(browser).send_keys("ES", Keys.ENTER, "emission: {format: ").perform()
    chromium.until(lambda: shown(browser, ".cm-completionLabel") == ["json", "xml"], browser)
    ActionChains(browser).send_keys(Keys.ESCAPE).move_to_element(
        line(browser, 5).find_element(By.TAG_NAME, "span")
    ).perform()
    chromium.until(lambda: "telephone password" in " ".join(shown(browser, ".editor-about")).lower(), browser)
    assert errors(browser) == []


def test_what_is_typed_is_compared_saved_and_in_force(browser: Chrome, bridge: Bridge) -> None:
    type_after(browser, 1, " and theirs")
    chromium.press(browser, browser.find_element(By.XPATH, "//button[starts-with(text(), 'Check')]"))
    assert shown(browser, ".diff del") == ["-# ours"]
    assert shown(browser, ".diff ins") == ["+# ours and theirs"]
    chromium.press(browser, browser.find_element(By.XPATH, "//button[text()='Save']"))
    assert shown(browser, "[role=status]") == ["Saved. The bridge takes it up within seconds."]
    chromium.until(lambda: "in force" in shown(browser, "#state .badge"), browser)
    assert bridge.configuration.read_text("utf-8") == CONFIGURATION.replace("# ours", "# ours and theirs")
    assert [row for row in shown(browser, "#versions tbody tr") if "ana" in row and "in the file" in row]


def test_the_keyboard_leaves_the_editor(browser: Chrome) -> None:
    line(browser, 1).click()
    ActionChains(browser).send_keys(Keys.ESCAPE, Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "Save"


def test_without_a_script_a_text_field_does_the_same(bridge: Bridge) -> None:
    with chromium.browser(390, script=False) as browser:
        chromium.sign_in(browser, f"http://127.0.0.1:{bridge.port}", "en")
        browser.get(f"http://127.0.0.1:{bridge.port}/console/config")
        field = browser.find_element(By.ID, "text")
        assert field.get_attribute("value") == CONFIGURATION
        field.send_keys(Keys.CONTROL, Keys.END, Keys.NULL, "qeries: {}")
        chromium.press(browser, browser.find_element(By.XPATH, "//button[text()='Save']"))
        assert "did you mean queries?" in shown(browser, ".review")[0]
        assert browser.find_element(By.ID, "text").get_attribute("value") == CONFIGURATION + "qeries: {}"
        assert bridge.configuration.read_text("utf-8") == CONFIGURATION
