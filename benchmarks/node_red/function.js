// The flow's function node: form, JSON, signature, contact by phone, answer.
const call = JSON.parse(msg.payload.apiInfocaller).ApiCall;
const crypto = global.get('crypto'), contacts = global.get('contacts');
const text = call.UserID.LineNumber + call.UserID.CallSequence + 'PASSWORD';
const signed = crypto.createHash('md5').update(text, 'latin1').digest('hex');
if (signed !== call.UserID.Signature) { msg.statusCode = 401; msg.payload = ''; return msg; }
const contact = contacts.get('+34' + call.Infocaller.CallerNumber);
const variables = contact
  ? [{ VarName: 'DESTINO', VarValue: '+34' + contact.agent }, { VarName: 'NOMBRE', VarValue: contact.name }]
  : [{ VarName: 'DESTINO', VarValue: '910000000' }];
msg.payload = { ApiCall: { Status: { Result: '0', ResultText: '' }, CustVars: { CustVar: variables } } };
return msg;
