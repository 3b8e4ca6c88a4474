"""Mails by SMTP: made, and handed to the mail server."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from bridge.config.alerts import Smtp

_OF_TIME, _OF_NAME = (9, 10), (62, 64)
"""OpenSSL's codes of a certificate that is not valid yet or has expired, and of another host's."""


class NotSent(Exception):
    """The server did not take it; the message says why."""


def letter(subject: str, text: str, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return a mail that no person wrote."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    return message


def send(message: EmailMessage, smtp: Smtp, recipients: Sequence[str], folder: Path) -> str:
    """Hand it to the server. Returns nothing, or who did not get it though others did. `folder`: where `ca_file` starts
    from. Raises `NotSent`."""
    try:
        with _connected(smtp, folder) as client:
            refused = client.send_message(message, smtp.from_, list(recipients))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise NotSent(_why(error)) from error
    return ", ".join(f"{who}: {_answer(*answer)}" for who, answer in refused.items())


@contextlib.contextmanager
def _connected(smtp: Smtp, folder: Path) -> Iterator[smtplib.SMTP]:
    """The server, signed in to. Every step has to end in time, and all of them together as well."""
    host = socket.gethostname()
    tls = None if smtp.security == "none" else _certificates(folder, smtp.ca_file)
    port, seconds = smtp.port_or_default, float(smtp.timeout)
    client: smtplib.SMTP
    if smtp.security == "tls":
        client = smtplib.SMTP_SSL(smtp.host, port, local_hostname=host, timeout=seconds, context=tls)
    else:
        client = smtplib.SMTP(smtp.host, port, local_hostname=host, timeout=seconds)
    late = threading.Event()
    watchdog = threading.Timer(seconds, _cut, (client, late))
    watchdog.daemon = True
    watchdog.start()
    try:
        if smtp.security == "starttls":
            client.starttls(context=tls)
        if smtp.username is not None and smtp.password is not None:
            client.login(smtp.username, smtp.password.get_secret_value())
        yield client
    except (smtplib.SMTPException, OSError) as error:
        if late.is_set():
            raise TimeoutError(f"not done within {smtp.timeout}") from error
        raise
    finally:
        watchdog.cancel()
        with contextlib.suppress(smtplib.SMTPException, OSError):
            client.docmd("QUIT")
        client.close()


def _certificates(folder: Path, ca_file: str | None) -> ssl.SSLContext:
    """What the server's certificate is checked against. (That of `connectors.http.transport` offers HTTP by ALPN, which
    mail servers refuse.)"""
    if ca_file is not None:
        try:
            return ssl.create_default_context(cafile=str(folder / ca_file))
        except OSError as error:
            raise NotSent(f"ca_file {folder / ca_file} can't be read: {error.strerror}") from error
    context = ssl.create_default_context()
    import requests  # noqa: PLC0415 - only who sends mail needs it

    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    return context


def _cut(client: smtplib.SMTP, late: threading.Event) -> None:
    late.set()
    sock = client.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return ", ".join(f"{who}: {_answer(*answer)}" for who, answer in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return "the server offers no STARTTLS: write tls: tls or tls: none"
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".")
        if error.verify_code in _OF_TIME:
            return f"{message}; renew the mail server's certificate, or set this machine's clock"
        if error.verify_code in _OF_NAME:
            return f"{message}; write in smtp: host: the name that the certificate has"
        return f"certificate not trusted: {message}; a private CA goes into ca_file"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"no answer in time ({error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
