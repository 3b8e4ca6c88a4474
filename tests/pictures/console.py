"""The pictures of the console's pages."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.pictures.camera import Camera
from tests.pictures.office import NOON, office
from tests.web.console import chromium

WIDE, PHONE = 1280, 390


def take(language: str, folder: Path) -> None:
    """Take them all in a language."""
    with ExitStack() as stack:
        home, beside = (Path(stack.enter_context(TemporaryDirectory())) for _ in range(2))
        place = stack.enter_context(office(home, language, NOON, beside, calls_back=True))
        for caller, sequence in (("600111223", "98000101"), ("600111222", "98000102")):
            place.call(caller, sequence, "DESVIO", "PEDIDO")
        with chromium.browser(WIDE, script=True) as browser:
            chromium.sign_in(browser, place.base, language)
            camera = Camera(browser, place.base, language, folder)
            over = "main section:first-of-type .badge.good"
            camera.wait("/console/calls/98000102", lambda: camera.find(over) and camera.find("a[href*='/work/']"))
            camera.page("call", 1000)
            for name, path, height in (
                ("today", "/console/", 1000),
                ("live", "/console/live", 560),
                ("calls", "/console/calls", 900),
                ("missed", "/console/missed", 700),
                ("callbacks", "/console/callbacks", 900),
                ("connect", "/console/connect", 900),
                ("reports", "/console/reports?period=last-month", 1100),
                ("try", "/console/try?query=PEDIDO&caller=600111222&variables=PEDIDO%3D00077", 900),
            ):
                camera.open(path)
                if name == "try":
                    camera.press("main form button.primary")
                camera.page(name, height)
        with chromium.browser(PHONE, script=True) as browser:
            chromium.sign_in(browser, place.base, language)
            camera = Camera(browser, place.base, language, folder)
            camera.open("/console/")
            camera.page("today-phone", 844)
