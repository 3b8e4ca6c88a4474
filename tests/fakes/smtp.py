"""A mail server on loopback: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA, and the faults of real ones."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from tests.fakes.loopback import Loopback


@dataclass
class Mail:
    """A mail that was taken; `tls`: whether it came by TLS, `user`: who had signed in."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    tls: bool
    user: str

    @property
    def text(self) -> str:
        return str(self.message.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer(Loopback):
    """`tls` with `implicit` from the first byte on, else by STARTTLS. `users`: who may sign in, and then nobody may
    send without. `refused`: recipients it does not know. `hang`: the command after which it says nothing more ("" for
    the greeting). `down`: connections are closed at once."""

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    users: dict[str, str] = field(default_factory=dict)
    refused: Sequence[str] = ()
    hang: str | None = None
    down: bool = False
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def _made(self) -> _Server:
        server = _Server(("127.0.0.1", 0), _Session)
        server.of = self
        return server


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    of: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.of = self.server.of
        self.of.connections += 1
        if self.of.down:
            return
        self.secure, self.user, self.sender, self.recipients = False, "", "", list[str]()
        if self.of.implicit:
            self._wrap()
        if self.of.hang == "":
            self.of.over.wait()
        self._say("220 mail.example.com ESMTP")
        while line := self.rfile.readline(2000):
            word = line.decode("latin-1").strip()
            verb = word[:4].upper()
            if self.of.hang is not None and self.of.hang == verb:
                self.of.over.wait()
                return
            if verb == "QUIT":
                self._say("221 bye")
                return
            getattr(self, f"_{verb.lower()}", self._unknown)(word)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.connection.close()

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _wrap(self) -> None:
        assert self.of.tls is not None
        self.connection = self.of.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.secure = True

    def _unknown(self, _word: str) -> None:
        self._say("502 what?")

    def _ehlo(self, _word: str) -> None:
        offers = ["mail.example.com"]
        if self.of.tls is not None and not self.secure:
            offers.append("STARTTLS")
        if self.of.users:
            offers.append("AUTH PLAIN")
        self._say(*(f"250-{offer}" for offer in offers), "250 8BITMIME")

    def _star(self, _word: str) -> None:
        self._say("220 go on")
        self._wrap()

    def _auth(self, word: str) -> None:
        _, user, password = base64.b64decode(word.split()[2]).decode().split("\0")
        if self.of.users.get(user) == password:
            self.user = user
            self._say("235 welcome")
        else:
            self._say(f"535 5.7.8 {password} is not the password of {user}")

    def _mail(self, word: str) -> None:
        if self.of.users and not self.user:
            self._say("530 sign in first")
            return
        self.sender, self.recipients = word.partition("<")[2].partition(">")[0], []
        self._say("250 ok")

    def _rcpt(self, word: str) -> None:
        who = word.partition("<")[2].partition(">")[0]
        if who in self.of.refused:
            self._say("550 5.1.1 nobody here by that name")
            return
        self.recipients.append(who)
        self._say("250 ok")

    def _rset(self, _word: str) -> None:
        self._say("250 ok")

    def _data(self, _word: str) -> None:
        self._say("354 go on")
        body = bytearray()
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return
            body += line[1:] if line.startswith(b"..") else line
        message = message_from_bytes(bytes(body), policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.of.mails.append(Mail(self.sender, self.recipients, message, self.secure, self.user))
        self._say("250 taken")
