// The same Query answered by plain Node.js, in one process per core, as a measure for ours: form, JSON, signature,
// contact by phone from a CSV read at start, answer. No deadline, cache, log or check of anything else.
const cluster = require('node:cluster'), crypto = require('node:crypto'), fs = require('node:fs'), http = require('node:http');
const [port, csv, password, workers] = process.argv.slice(2);
if (cluster.isPrimary) {
  for (let n = 0; n < Number(workers); n++) cluster.fork();
  process.on('SIGTERM', () => process.exit(0));
} else {
  const contacts = new Map();
  for (const line of fs.readFileSync(csv, 'utf8').split('\n').slice(1)) {
    const [id, name, phone, agent] = line.split(',');
    if (phone) contacts.set('+34' + phone.replace(/\D/g, ''), { id, name, agent });
  }
  http.createServer((request, response) => {
    const parts = [];
    request.on('data', part => parts.push(part));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(parts).toString('latin1'));
      const { UserID, Infocaller } = JSON.parse(form.get('apiInfocaller')).ApiCall;
      const signed = crypto.createHash('md5').update(UserID.LineNumber + UserID.CallSequence + password, 'latin1').digest('hex');
      if (signed !== UserID.Signature) { response.writeHead(401); response.end(); return; }
      const contact = contacts.get('+34' + Infocaller.CallerNumber.replace(/\D/g, ''));
      const variables = contact ? [{ VarName: 'DESTINO', VarValue: '+34' + contact.agent }, { VarName: 'NOMBRE', VarValue: contact.name }]
        : [{ VarName: 'DESTINO', VarValue: '910000000' }];
      const body = JSON.stringify({ ApiCall: { Status: { Result: '0', ResultText: '' }, CustVars: { CustVar: variables } } });
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
      response.end(body);
    });
  }).listen(Number(port), '127.0.0.1');
}
