"""What the compressor of packs knows beforehand: how the platform lays out its documents, and how they are kept.

Never change it: whatever is packed can be read with these very words alone. Other words need another format
(`bridge.store.packs`).
"""

WORDS = (
    "<ApiCall xmlns='http://tempuri.org/' encoding=\" ISO-8559-1\"><UserID><LineNumber>912345678</LineNumber><LineNum"
    "berInt>912345678</LineNumberInt><CallSequence>980000000</CallSequence><Signature></Signature></UserID><Infocal"
    "ler><CallType>R</CallType><CallerNumber>600000000</CallerNumber><CallerNumberInt></CallerNumberInt><InboundNum"
    "ber>912345678</InboundNumber><InboundNumberInt>912345678</InboundNumberInt><OutboundNumber></OutboundNumber><O"
    "utboundNumberInt></OutboundNumberInt><idcall></idcall><CallSeconds>75</CallSeconds><StartDate>2026-01-01T10:00"
    ":00</StartDate><EndDate>2026-01-01T10:01:15</EndDate><CostRX>0.012000</CostRX><CostTX>0.034500</CostTX></Infoc"
    "aller><Status><Events><Event><EventType>14</EventType><EventDate>2026-01-01T10:00:00</EventDate><EventName>Ini"
    "cio de llamada</EventName><EventAddInfo1></EventAddInfo1><EventAddInfo2></EventAddInfo2><EventAddInfo3></Event"
    "AddInfo3><EventAddInfo4></EventAddInfo4><EventAddInfo5></EventAddInfo5></Event><Event><EventType>4</EventType>"
    "<EventDate>2026-01-01T10:00:05</EventDate><EventName>DATO</EventName><EventAddInfo1>12345</EventAddInfo1><Even"
    "tAddInfo2></EventAddInfo2><EventAddInfo3></EventAddInfo3><EventAddInfo4></EventAddInfo4><EventAddInfo5></Event"
    "AddInfo5></Event><Event><EventType>6</EventType><EventDate>2026-01-01T10:01:10</EventDate><EventName>menú</Eve"
    "ntName><EventAddInfo1>1</EventAddInfo1><EventAddInfo2></EventAddInfo2><EventAddInfo3></EventAddInfo3><EventAdd"
    "Info4></EventAddInfo4><EventAddInfo5></EventAddInfo5></Event><Event><EventType>17</EventType><EventDate>2026-0"
    "1-01T10:00:15</EventDate><EventName>DESVIO</EventName><EventAddInfo1>0</EventAddInfo1><EventAddInfo2></EventAd"
    "dInfo2><EventAddInfo3></EventAddInfo3><EventAddInfo4></EventAddInfo4><EventAddInfo5></EventAddInfo5></Event><E"
    "vent><EventType>2</EventType><EventDate>2026-01-01T10:00:20</EventDate><EventName>101</EventName><EventAddInfo"
    "1></EventAddInfo1><EventAddInfo2></EventAddInfo2><EventAddInfo3>55</EventAddInfo3><EventAddInfo4>0,034500</Eve"
    "ntAddInfo4><EventAddInfo5></EventAddInfo5></Event><Event><EventType>7</EventType><EventDate>2026-01-01T10:01:1"
    "5</EventDate><EventName>Fin de llamada</EventName><EventAddInfo1></EventAddInfo1><EventAddInfo2></EventAddInfo"
    "2><EventAddInfo3></EventAddInfo3><EventAddInfo4>0</EventAddInfo4><EventAddInfo5></EventAddInfo5></Event></Even"
    "ts></Status><CustVars><CustVar><VarName>DATO</VarName><VarValue>12345</VarValue></CustVar></CustVars></ApiCall"
    '>{"format": "xml", "line_number": "912345678", "call_sequence": "980000000", "line_number_int": "912345678", "'
    'call_type": "R", "caller_number": "600000000", "inbound_number": "912345678", "inbound_number_int": "912345678'
    '", "variables": {"DATO": "12345"}, "seconds": 75, "start": "2026-01-01T10:00:00", "end": "2026-01-01T10:01:15"'
    ', "cost_rx": "0.012000", "cost_tx": "0.034500", "status": [{"type": 14, "at": "2026-01-01T10:00:00", "name": "'
    'Inicio de llamada", "info": ["", "", "", "", ""]}, {"type": 4, "at": "2026-01-01T10:00:05", "name": "DATO", "i'
    'nfo": ["12345", "", "", "", ""]}, {"type": 6, "at": "2026-01-01T10:01:10", "name": "men\\u00fa", "info": ["1", '
    '"", "", "", ""]}, {"type": 17, "at": "2026-01-01T10:00:15", "name": "DESVIO", "info": ["0", "", "", "", ""]}, '
    '{"type": 2, "at": "2026-01-01T10:00:20", "name": "101", "info": ["", "", "55", "0,034500", ""]}, {"type": 7, "'
    'at": "2026-01-01T10:01:15", "name": "Fin de llamada", "info": ["", "", "", "0", ""]}]}{"ApiCall": {"UserID": {'
    '"LineNumber": "912345678", "LineNumberInt": "912345678", "CallSequence": "980000000", "Signature": ""}, "Infoc'
    'aller": {"CallType": "E", "CallerNumber": "912345678", "CallerNumberInt": "", "InboundNumber": "", "InboundNum'
    'berInt": "", "OutboundNumber": "600000000", "OutboundNumberInt": "", "idcall": "12345678", "CallSeconds": "75"'
    ', "StartDate": "2026-01-01T10:00:00", "EndDate": "2026-01-01T10:01:15", "CostRX": 0.000000, "CostTX": 0.034500'
    '}, "Status": {"Events": {"Event": [{"EventType": "14", "EventDate": "2026-01-01T10:00:00", "EventName": "Inici'
    'o de llamada", "EventAddInfo1": "", "EventAddInfo2": "", "EventAddInfo3": "", "EventAddInfo4": "", "EventAddIn'
    'fo5": ""}, {"EventType": "2", "EventDate": "2026-01-01T10:00:20", "EventName": "101", "EventAddInfo1": "", "Ev'
    'entAddInfo2": "", "EventAddInfo3": "55", "EventAddInfo4": "0,034500", "EventAddInfo5": ""}, {"EventType": "7",'
    ' "EventDate": "2026-01-01T10:01:15", "EventName": "Fin de llamada", "EventAddInfo1": "", "EventAddInfo2": "", '
    '"EventAddInfo3": "", "EventAddInfo4": "0", "EventAddInfo5": ""}]}}, "CustVars": {"CustVar": []}}}{"ApiCall": {'
    '"UserID": {"LineNumber": "912345678", "LineNumberInt": "912345678", "CallSequence": "980000000", "Signature": '
    '""}, "Infocaller": {"CallType": "R", "CallerNumber": "600000000", "CallerNumberInt": "", "InboundNumber": "912'
    '345678", "InboundNumberInt": "912345678", "OutboundNumber": "", "OutboundNumberInt": "", "idcall": "", "CallSe'
    'conds": "75", "StartDate": "2026-01-01T10:00:00", "EndDate": "2026-01-01T10:01:15", "CostRX": 0.012000, "CostT'
    'X": 0.034500}, "Status": {"Events": {"Event": [{"EventType": "14", "EventDate": "2026-01-01T10:00:00", "EventN'
    'ame": "Inicio de llamada", "EventAddInfo1": "", "EventAddInfo2": "", "EventAddInfo3": "", "EventAddInfo4": "",'
    ' "EventAddInfo5": ""}, {"EventType": "4", "EventDate": "2026-01-01T10:00:05", "EventName": "DATO", "EventAddIn'
    'fo1": "12345", "EventAddInfo2": "", "EventAddInfo3": "", "EventAddInfo4": "", "EventAddInfo5": ""}, {"EventTyp'
    'e": "6", "EventDate": "2026-01-01T10:01:10", "EventName": "menú", "EventAddInfo1": "1", "EventAddInfo2": "", "'
    'EventAddInfo3": "", "EventAddInfo4": "", "EventAddInfo5": ""}, {"EventType": "17", "EventDate": "2026-01-01T10'
    ':00:15", "EventName": "DESVIO", "EventAddInfo1": "0", "EventAddInfo2": "", "EventAddInfo3": "", "EventAddInfo4'
    '": "", "EventAddInfo5": ""}, {"EventType": "2", "EventDate": "2026-01-01T10:00:20", "EventName": "101", "Event'
    'AddInfo1": "", "EventAddInfo2": "", "EventAddInfo3": "55", "EventAddInfo4": "0,034500", "EventAddInfo5": ""}, '
    '{"EventType": "7", "EventDate": "2026-01-01T10:01:15", "EventName": "Fin de llamada", "EventAddInfo1": "", "Ev'
    'entAddInfo2": "", "EventAddInfo3": "", "EventAddInfo4": "0", "EventAddInfo5": ""}]}}, "CustVars": {"CustVar": '
    '[{"VarName": "DATO", "VarValue": "12345"}]}}}[[{"id": 100, "event": "desvio_fallido", "diverted_to": "", "dige'
    'st": "0123456789abcdef", "received_at": "2026-01-01T10:00:00.000000+00:00", "raw": 375, "document": {"format":'
    ' "json", "line_number": "912345678", "call_sequence": "980000000", "line_number_int": "912345678", "call_type"'
    ': "R", "caller_number": "600000000", "inbound_number": "912345678", "inbound_number_int": "912345678", "variab'
    'les": {"DATO": "12345"}}, "panel": {"caller": "600000000", "number": "912345678", "called": "912345678", "id":'
    ' "980000000", "uuid": "00000000", "diverted": "101"}, "e164": "+34600000000"}, {"id": 101, "event": "inicio", '
    '"diverted_to": "", "digest": "0123456789abcdef", "received_at": "2026-01-01T10:00:00.000000+00:00", "raw": 375'
    ', "document": {"format": "json", "line_number": "912345678", "call_sequence": "980000000", "line_number_int": '
    '"912345678", "call_type": "R", "caller_number": "600000000", "inbound_number": "912345678", "inbound_number_in'
    't": "912345678", "variables": {"DATO": "12345"}}, "panel": {"caller": "600000000", "number": "912345678", "cal'
    'led": "912345678", "id": "980000000", "uuid": "00000000", "diverted": "101"}, "e164": "+34600000000"}, {"id": '
    '102, "event": "desvio_correcto", "diverted_to": "", "digest": "0123456789abcdef", "received_at": "2026-01-01T1'
    '0:00:00.000000+00:00", "raw": 375, "document": {"format": "json", "line_number": "912345678", "call_sequence":'
    ' "980000000", "line_number_int": "912345678", "call_type": "R", "caller_number": "600000000", "inbound_number"'
    ': "912345678", "inbound_number_int": "912345678", "variables": {"DATO": "12345"}}, "panel": {"caller": "600000'
    '000", "number": "912345678", "called": "912345678", "id": "980000000", "uuid": "00000000", "diverted": "101"},'
    ' "e164": "+34600000000"}, {"id": 100, "event": "fin", "diverted_to": "", "digest": "0123456789abcdef", "receiv'
    'ed_at": "2026-01-01T10:00:00.000000+00:00", "raw": 375, "document": {"format": "json", "line_number": "9123456'
    '78", "call_sequence": "980000000", "line_number_int": "912345678", "call_type": "R", "caller_number": "6000000'
    '00", "inbound_number": "912345678", "inbound_number_int": "912345678", "variables": {"DATO": "12345"}, "second'
    's": 75, "start": "2026-01-01T10:00:00", "end": "2026-01-01T10:01:15", "cost_rx": "0.012000", "cost_tx": "0.034'
    '500", "status": [{"type": 14, "at": "2026-01-01T10:00:00", "name": "Inicio de llamada", "info": ["", "", "", "'
    '", ""]}, {"type": 4, "at": "2026-01-01T10:00:05", "name": "DATO", "info": ["12345", "", "", "", ""]}, {"type":'
    ' 6, "at": "2026-01-01T10:01:10", "name": "men\\u00fa", "info": ["1", "", "", "", ""]}, {"type": 17, "at": "2026'
    '-01-01T10:00:15", "name": "DESVIO", "info": ["0", "", "", "", ""]}, {"type": 2, "at": "2026-01-01T10:00:20", "'
    'name": "101", "info": ["", "", "55", "0,034500", ""]}, {"type": 7, "at": "2026-01-01T10:01:15", "name": "Fin d'
    'e llamada", "info": ["", "", "", "0", ""]}]}, "panel": {"caller": "600000000", "number": "912345678", "called"'
    ': "912345678", "id": "980000000", "uuid": "00000000", "diverted": "101"}, "e164": "+34600000000"}], {"id": "98'
    '0000000", "uuid": "00000000-0000-5000-8000-000000000000", "number_id": "980000000", "line": "912345678", "dire'
    'ction": "emitted", "idcall": "", "caller": "600000000", "called": "912345678", "e164": "+34600000000", "hidden'
    '": false, "start": "2026-01-01T10:00:00+00:00", "end": "2026-01-01T10:01:00+00:00", "seconds": 60, "cost": nul'
    'l, "cost_rx": null, "cost_tx": null, "over": true, "incomplete": false, "answered": true, "answered_by": "101"'
    ', "diversions": [{"to": "101", "answered": true, "at": "2026-01-01T10:00:00"}], "vars": {}, "events": [{"type"'
    ': 14, "at": "2026-01-01T10:00:00", "name": "Inicio de llamada", "info": ["", "", "", "", ""]}, {"type": 4, "at'
    '": "2026-01-01T10:00:05", "name": "DATO", "info": ["12345", "", "", "", ""]}, {"type": 6, "at": "2026-01-01T10'
    ':01:10", "name": "men\\u00fa", "info": ["1", "", "", "", ""]}, {"type": 17, "at": "2026-01-01T10:00:15", "name"'
    ': "DESVIO", "info": ["0", "", "", "", ""]}, {"type": 2, "at": "2026-01-01T10:00:20", "name": "101", "info": ["'
    '", "", "55", "0,034500", ""]}, {"type": 7, "at": "2026-01-01T10:01:15", "name": "Fin de llamada", "info": ["",'
    ' "", "", "0", ""]}], "heard": ["desvio_correcto", "fin", "inicio"]}, [["call", "2026-01-01T10:00:00+01:00", "e'
    'mitted", "unanswered", "912345678", [1, 60, 0, 0, 0, 0, 0, 0]], ["call", "2026-01-01T10:00:00+01:00", "receive'
    'd", "answered", "912345678", [1, 60, 12000, 34500, 1, 1000, 1, 1]], ["ring", "2025-12-31T23:00:00+00:00", "rec'
    'eived", "answered", "101", [1, 60, 0, 0, 0, 0, 0, 0]]], [[1, {"rule": "crm:call", "event": "", "diverted": "",'
    ' "call": {}}, "HTTP/1.1 200 OK application/json"]]]'
).encode()
