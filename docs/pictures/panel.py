"""Draws the pictures of docs/panel.md in both languages: `python docs/pictures/panel.py` writes them beside itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

_STYLE = """
svg { font: 14px system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
.card { fill: #ffffff; stroke: #d0d7de; }
.frame { fill: #f6f8fa; stroke: #8c959f; stroke-dasharray: 5 4; }
.box { fill: #ffffff; stroke: #57606a; }
.ours { fill: #ddf4e4; stroke: #1a7f37; }
.error { fill: #ffebe9; stroke: #cf222e; }
text { fill: #1f2328; }
.bold { font-weight: 600; }
.small { font-size: 12px; fill: #57606a; }
.code { font-family: ui-monospace, 'DejaVu Sans Mono', Consolas, monospace; font-size: 12px; }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.5; }
marker path { fill: #57606a; }
@media (prefers-color-scheme: dark) {
.card { fill: #0d1117; stroke: #3d444d; }
.frame { fill: #151b23; stroke: #656c76; }
.box { fill: #0d1117; stroke: #9198a1; }
.ours { fill: #12361f; stroke: #3fb950; }
.error { fill: #3c1618; stroke: #f85149; }
text { fill: #f0f6fc; }
.small { fill: #b7bdc8; }
.arrow { stroke: #9198a1; }
marker path { fill: #9198a1; }
}
"""
_LINE = 18  # pixels between two lines of text


class _Drawing:
    """One picture in one language. Places are in pixels, from the upper left corner."""

    def __init__(self, language: str, width: int, height: int, title: tuple[str, str]) -> None:
        self._language = language
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'lang="{language}" role="img" aria-labelledby="title">\n'
            f'<title id="title">{escape(self._say(title), quote=False)}</title>\n'
            f"<style>{_STYLE}</style>\n"
            '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0l8 4-8 4z"/></marker></defs>\n'
            f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>'
        )
        self._parts: list[str] = []

    def __str__(self) -> str:
        return "\n".join([self._head, *self._parts, "</svg>", ""])

    def _say(self, text: str | tuple[str, str]) -> str:
        """The text in the picture's language; a text alone is the same in both."""
        return text if isinstance(text, str) else text[self._language == "es"]

    def text(self, x: int, y: int, text: str | tuple[str, str], style: str = "", anchor: str = "start") -> None:
        """Lines of text; the first stands on `y`."""
        for number, line in enumerate(self._say(text).splitlines()):
            place = f'x="{x}" y="{y + number * _LINE}" text-anchor="{anchor}"'
            self._parts.append(f'<text class="{style}" {place}>{escape(line, quote=False)}</text>')

    def box(
        self, x: int, y: int, width: int, height: int, lines: Sequence[str | tuple[str, str]], style: str = "box"
    ) -> None:
        """A box with its lines in the middle, the first one bold, the others small."""
        self._parts.append(f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>')
        rows = [row for text in lines for row in self._say(text).splitlines()]
        first = y + height // 2 - (len(rows) - 1) * _LINE // 2 + 5
        for number, row in enumerate(rows):
            place = first + number * _LINE
            self.text(x + width // 2, place, row, "small" if number else "bold", "middle")

    def frame(self, x: int, y: int, width: int, height: int, title: str | tuple[str, str]) -> None:
        """A dashed frame with its title in its upper left corner."""
        self._parts.append(f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="9"/>')
        self.text(x + 14, y + 22, title, "bold")

    def arrow(self, path: str) -> None:
        """A line with a head at its end; `path` as in SVG."""
        self._parts.append(f'<path class="arrow" d="{path}" marker-end="url(#end)"/>')


def _transfer(language: str) -> _Drawing:
    title = (
        "A script asks the Query DESVIO. If Result is 0, it calls the extension in the variable DESTINO; "
        "otherwise its action for errors calls reception.",
        "Un guion pregunta con la Query DESVIO. Si Result es 0, llama a la extensión de la variable DESTINO; "
        "si no, su acción para errores llama a recepción.",
    )
    draw = _Drawing(language, 780, 430, title)
    draw.frame(20, 76, 470, 274, ("Script (Guion)", "Guion"))
    draw.box(40, 18, 200, 38, [("A call comes in", "Entra una llamada")])
    draw.arrow("M200 56V112")
    draw.box(40, 114, 200, 60, ["Query", "DESVIO"])
    draw.box(560, 104, 200, 80, [("The bridge", "El bridge"), ("looks the caller up", "busca a quien llama")], "ours")
    draw.arrow("M240 130H558")
    draw.text(365, 122, ("caller's number", "número llamante"), "small", "middle")
    draw.arrow("M560 162H243")
    draw.text(365, 154, "Result 0, DESTINO = 101", "code", "middle")
    draw.arrow("M140 174V266")
    draw.text(150, 226, "Result = 0", "code")
    draw.arrow("M220 174V198H450V266")
    draw.text(238, 220, ("Result other than 0,\nno proper answer, or too late",
                         "Result distinto de 0, respuesta\nno adecuada, o fuera de plazo"), "small")  # fmt: skip
    draw.box(40, 268, 200, 64, ["Llamada", ("destination: variable DESTINO", "destino: variable DESTINO")])
    draw.box(270, 268, 200, 64, [("Action for errors", "Acción en caso de error"),
                                 ("Llamada to reception, fixed", "Llamada a recepción, fija")], "error")  # fmt: skip
    draw.arrow("M140 332V384H660V187")
    draw.arrow("M370 332V384")
    draw.text(150, 404, ("Events: DESVIO CORRECTO if an extension answers, DESVIO FALLIDO if not; FIN at the end.",
                         "Eventos: DESVIO CORRECTO si contesta una extensión, DESVIO FALLIDO si no; FIN al final."),
              "small")  # fmt: skip
    return draw


def _keyed(language: str) -> _Drawing:
    title = (
        "What the caller keys in goes into the variable PEDIDO, the Query PEDIDO answers ESTADO, and a list of "
        "conditions on ESTADO chooses the recording to play.",
        "Lo que marca el llamante queda en la variable PEDIDO, la Query PEDIDO responde ESTADO, y una lista de "
        "condiciones sobre ESTADO elige la locución.",
    )
    draw = _Drawing(language, 780, 450, title)
    draw.frame(20, 20, 530, 410, ("Script (Guion)", "Guion"))
    draw.box(40, 56, 270, 58, ["Obtener Dato Por Marcación", ("into the variable PEDIDO", "en la variable PEDIDO")])
    draw.arrow("M175 114V156")
    draw.box(40, 158, 270, 58, ["Query", "PEDIDO"])
    draw.box(600, 148, 160, 78, [("The bridge", "El bridge"), ("looks the order up", "busca el pedido")], "ours")
    draw.arrow("M310 174H598")
    draw.text(454, 167, "PEDIDO = 1234", "code", "middle")
    draw.arrow("M600 204H313")
    draw.text(454, 198, "ESTADO = ENVIADO", "code", "middle")
    draw.arrow("M175 216V258")
    draw.text(185, 242, "Result = 0", "code")
    draw.box(40, 260, 270, 52, ["Lista De Condiciones", ("on the variable ESTADO", "sobre la variable ESTADO")])
    for x, condition, what in (
        (40, "= ENVIADO", ("“It has\nbeen sent”", "«Ya se ha\nenviado»")),
        (210, "= PENDIENTE", ("“It is being\nprepared”", "«Se está\npreparando»")),
    ):
        draw.arrow(f"M{x + 75} 312V344")
        draw.box(x, 346, 150, 70, ["Locución", what])
        draw.text(x + 81, 332, condition, "code")
    draw.arrow("M300 216V236H455V344")
    draw.text(465, 262, ("Result\nother\nthan 0", "Result\ndistinto\nde 0"), "small")
    draw.arrow("M310 286H420V344")
    draw.text(414, 280, ("none", "ninguna"), "small", "end")
    draw.box(380, 346, 150, 70, ["Llamada", ("to reception", "a recepción")], "error")
    return draw


def _rules(language: str) -> _Drawing:
    title = (
        "A call that comes in is judged by the one rule group that is Activo. A call that the bridge asks for is "
        "judged by the group that its request names, which need not be Activo.",
        "Una llamada recibida se decide por el único grupo de reglas que está Activo. Una llamada que pide el bridge, "
        "por el grupo que nombra su petición, que no necesita estar Activo.",
    )
    draw = _Drawing(language, 780, 330, title)
    draw.box(20, 40, 170, 80, [("A call comes in", "Entra una llamada")])
    draw.arrow("M190 80H228")
    draw.frame(230, 20, 330, 130, ("Rule group, state “Activo”", "Grupo de reglas, estado «Activo»"))
    draw.box(250, 56, 290, 52, [("Reglas", "Reglas"), ("caller's number, date and time",
                                                       "número llamante, fecha y hora")])  # fmt: skip
    draw.text(250, 132, ("one group at a time", "solo un grupo a la vez"), "small")
    draw.arrow("M560 80H598")
    draw.box(600, 40, 160, 80, [("Script (Guion)", "Guion"), ("or another action", "u otra acción")])
    draw.box(20, 192, 170, 88, [("The bridge", "El bridge"), ("asks for a call:", "pide una llamada:"),
                                "gruporeglas = EMISION"], "ours")  # fmt: skip
    draw.arrow("M190 236H228")
    draw.frame(230, 176, 330, 130, ("Rule group “EMISION”", "Grupo de reglas «EMISION»"))
    draw.box(250, 212, 290, 52, [("Reglas", "Reglas"), ("what the call that goes out does",
                                                        "qué hace la llamada que sale")])  # fmt: skip
    draw.text(250, 288, ("leave it inactive: found by its name", "déjelo sin activar: se busca por su nombre"), "small")
    draw.arrow("M560 236H598")
    draw.box(600, 192, 160, 88, [("Script (Guion)", "Guion"), ("with Queries, too", "también con Queries")])
    return draw


def _urls(language: str) -> _Drawing:
    title = (
        "In the line's tab Inicio: the telephone password, and the section API with the URL of each of the four events "
        "and of each Query. Each leads to an address of the bridge.",
        "En la pestaña Inicio de la línea: la contraseña telefónica y la sección API, con la URL de cada uno de los "
        "cuatro eventos y de cada Query. Cada una lleva a una dirección del bridge.",
    )
    draw = _Drawing(language, 780, 410, title)
    draw.frame(20, 20, 330, 370, ("Panel: tab “Inicio” of the line", "Panel: pestaña «Inicio» de la línea"))
    draw.box(40, 56, 290, 36, [("Contraseña telefónica", "Contraseña telefónica")])
    draw.frame(40, 104, 290, 272, ("Section “API”", "Sección «API»"))
    draw.frame(420, 20, 340, 370, ("The bridge", "El bridge"))
    draw.box(440, 56, 300, 36, [("password: of the line", "password: de la línea")], "ours")
    draw.arrow("M330 74H437")
    draw.text(384, 66, ("the same", "la misma"), "small", "middle")
    rows = [
        ("INICIO", "/event/inicio?…"),
        ("DESVIO CORRECTO", "/event/desvio_correcto?…"),
        ("DESVIO FALLIDO", "/event/desvio_fallido?…"),
        ("FIN", "/event/fin?…"),
        ("Query DESVIO", "/query/DESVIO"),
    ]
    for number, (name, path) in enumerate(rows):
        y = 138 + number * 47
        draw.box(56, y, 258, 36, [name])
        draw.box(440, y, 300, 36, [path], "ours")
        draw.arrow(f"M314 {y + 18}H437")
    return draw


PICTURES: dict[str, Callable[[str], _Drawing]] = {
    "transfer": _transfer, "keyed": _keyed, "rules": _rules, "urls": _urls,
}  # fmt: skip


def drawn() -> Iterator[tuple[str, str]]:
    """Yield the name of each file, and what is in it."""
    for name, draw in PICTURES.items():
        for language in ("en", "es"):
            yield f"panel-{name}.{language}.svg", str(draw(language))


if __name__ == "__main__":
    for name, text in drawn():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
