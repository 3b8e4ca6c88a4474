"""A Query as the platform lays it out, read in one go. What differs in anything is for `bridge.infocaller.reading`,
which reads whatever comes; both read the same out of the same text."""

from __future__ import annotations

import msgspec

from bridge.infocaller.messages import Document, Format


class _UserID(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    line_number: str
    call_sequence: str
    signature: str = ""
    line_number_int: str = ""


class _Infocaller(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    call_type: str = ""
    caller_number: str = ""
    caller_number_int: str = ""
    inbound_number: str = ""
    inbound_number_int: str = ""
    outbound_number: str = ""
    outbound_number_int: str = ""
    idcall: str = msgspec.field(name="idcall", default="")
    query_name: str = ""


class _CustVar(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    var_name: str
    var_value: str


class _CustVars(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    cust_var: list[_CustVar] = []


class _ApiCall(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    user: _UserID = msgspec.field(name="UserID")
    infocaller: _Infocaller
    cust_vars: _CustVars = msgspec.field(default_factory=_CustVars)


class _Whole(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename="pascal"):
    api_call: _ApiCall


_decode = msgspec.json.Decoder(_Whole).decode


def read(text: str) -> Document | None:
    """The Query that `text` (JSON without entities, NUL and surrogates) is; None where it is not laid out as usual."""
    try:
        call = _decode(text).api_call
    except (msgspec.MsgspecError, UnicodeEncodeError):  # the latter: half of a pair
        return None
    user, about = call.user, call.infocaller
    line_number, call_sequence = user.line_number.strip(), user.call_sequence.strip()
    if line_number and not call_sequence:
        return None
    return Document(
        format=Format.JSON,
        line_number=line_number,
        call_sequence=call_sequence,
        signature=user.signature.strip(),
        line_number_int=user.line_number_int.strip(),
        call_type=about.call_type.strip(),
        caller_number=about.caller_number.strip(),
        caller_number_int=about.caller_number_int.strip(),
        inbound_number=about.inbound_number.strip(),
        inbound_number_int=about.inbound_number_int.strip(),
        outbound_number=about.outbound_number.strip(),
        outbound_number_int=about.outbound_number_int.strip(),
        idcall=about.idcall.strip(),
        query_name=about.query_name.strip(),
        variables={
            name: each.var_value
            for each in call.cust_vars.cust_var
            if (name := each.var_name.strip().upper()) or each.var_value
        },
        source=text,
    )
