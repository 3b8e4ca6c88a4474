"""Takes pictures of the console, small ones: PNG with a palette."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.waiting import until

LARGEST = 150_000
"""Bytes of a picture."""
_MARGIN = 12
_COLOURS = (256, 128, 64)


class Camera:
    """Looks at one console in one language; its pictures go to `folder` as NAME.LANGUAGE.png."""

    def __init__(self, browser: Chrome, base: str, language: str, folder: Path) -> None:
        self.browser, self._base, self._language, self._folder = browser, base, language, folder
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})

    def open(self, path: str) -> None:
        """Open a page of the console."""
        self.browser.get(f"{self._base}{path}")

    def find(self, selector: str) -> list[WebElement]:
        """Return what there is of it."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def press(self, selector: str, number: int = 0) -> None:
        """Click, and wait for the page that it leads to."""
        [old] = self.find("html")
        self.find(selector)[number].click()
        until(lambda: any(page.id != old.id for page in self.find("html")))
        self._settled()

    def wait(self, path: str, holds: Callable[[], Any]) -> None:
        """Open a page again and again until something is to be seen there."""

        def seen() -> Any:
            self.open(path)
            return holds()

        until(seen, 60)

    def page(self, name: str, height: int) -> None:
        """Take the page, no more than so much of its height."""
        self._settled()
        metrics = self.browser.execute_cdp_cmd("Page.getLayoutMetrics", {})
        size = metrics["cssContentSize"]
        self._take(name, 0, 0, metrics["cssLayoutViewport"]["clientWidth"], min(height, size["height"]))

    def parts(self, name: str, *selectors: str) -> None:
        """Take the first of each of these, and what is between them."""
        self._settled()
        script = (
            "const at = arguments[0].getBoundingClientRect();"
            "return [at.left + scrollX, at.top + scrollY, at.right + scrollX, at.bottom + scrollY];"
        )
        boxes = [self.browser.execute_script(script, self.find(selector)[0]) for selector in selectors]
        left, top = (min(box[side] for box in boxes) - _MARGIN for side in (0, 1))
        right, bottom = (max(box[side] for box in boxes) + _MARGIN for side in (2, 3))
        self._take(name, max(0, left), max(0, top), right - max(0, left), bottom - max(0, top))

    def _settled(self) -> None:
        until(lambda: self.browser.execute_script("return document.readyState") == "complete")

    def _take(self, name: str, x: float, y: float, width: float, height: float) -> None:
        self.browser.execute_script("document.activeElement && document.activeElement.blur()")
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        asked = {"format": "png", "clip": clip, "captureBeyondViewport": True}
        data = base64.b64decode(self.browser.execute_cdp_cmd("Page.captureScreenshot", asked)["data"])
        image = Image.open(io.BytesIO(data)).convert("RGB")
        for colours in _COLOURS:
            packed = io.BytesIO()
            image.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
            if packed.tell() <= LARGEST:
                break
        else:
            raise SystemExit(f"{name} is larger than {LARGEST} bytes")
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{name}.{self._language}.png").write_bytes(packed.getvalue())
