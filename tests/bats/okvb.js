#!/usr/bin/env node
// A reader and a writer of sealed bundles, made from the manual page okv-luna-bundle(5) alone, on another library than
// ours: the format is right when these two and okv-luna-bundle understand each other.
//
//   okvb.js open FILE PASSPHRASE-FILE > BUNDLE
//   okvb.js seal BUNDLE PASSPHRASE-FILE FILE [MEMBER=JSON]...     members of the header to set otherwise
'use strict';
const crypto = require('crypto');
const fs = require('fs');

function passphrase(file) {
	const bytes = fs.readFileSync(file);
	return bytes[bytes.length - 1] === 10 ? bytes.subarray(0, -1) : bytes;
}

// Deriving a key is meant to be slow; the same one is derived once.
const keys = new Map();
function keyOf(secret, header) {
	const name = [secret.toString('hex'), header.salt, header.iterations].join();
	if (!keys.has(name))
		keys.set(name, crypto.pbkdf2Sync(secret, Buffer.from(header.salt, 'base64'), header.iterations, 32, 'sha256'));
	return keys.get(name);
}

function open(file, secret) {
	const first = file.indexOf(10) + 1;
	if (file.subarray(0, first).toString('latin1') !== 'OKVB1\n')
		throw new Error('not version 1');
	const end = file.indexOf(10, first) + 1;
	if (end === 0 || end - first > 4097)
		throw new Error('no second line');
	const header = JSON.parse(file.subarray(first, end).toString('ascii'));
	const members = ['cipher', 'created', 'iterations', 'kdf', 'nonce', 'origin', 'salt', 'sha256', 'size'];
	if (Object.keys(header).sort().join() !== members.join())
		throw new Error('wrong members');
	if (header.kdf !== 'pbkdf2-hmac-sha256' || header.cipher !== 'aes-256-gcm' || header.iterations < 600000)
		throw new Error('wrong algorithms');
	if (file.length !== end + header.size + 16)
		throw new Error('wrong length');
	const opener = crypto.createDecipheriv('aes-256-gcm', keyOf(secret, header), Buffer.from(header.nonce, 'base64'));
	opener.setAAD(file.subarray(0, end));
	opener.setAuthTag(file.subarray(file.length - 16));
	const bundle = Buffer.concat([opener.update(file.subarray(end, file.length - 16)), opener.final()]);
	if (crypto.createHash('sha256').update(bundle).digest('hex') !== header.sha256)
		throw new Error('wrong digest');
	return { header, bundle };
}

function headerOf(bundle, others = {}) {
	return Object.assign({
		created: new Date().toISOString(),
		origin: 'node-made',
		size: bundle.length,
		sha256: crypto.createHash('sha256').update(bundle).digest('hex'),
		iterations: 600000,
		kdf: 'pbkdf2-hmac-sha256',
		cipher: 'aes-256-gcm',
		salt: crypto.randomBytes(24).toString('base64'),
		nonce: crypto.randomBytes(12).toString('base64'),
	}, others);
}

// The line may be given as text, for oddities that JSON.stringify does not write; `header` is what it means.
function seal(bundle, secret, header, line = JSON.stringify(header), magic = 'OKVB1') {
	const head = Buffer.from(`${magic}\n${line}\n`, 'latin1');
	const sealer = crypto.createCipheriv('aes-256-gcm', keyOf(secret, header), Buffer.from(header.nonce, 'base64'));
	sealer.setAAD(head);
	return Buffer.concat([head, sealer.update(bundle), sealer.final(), sealer.getAuthTag()]);
}

module.exports = { passphrase, open, seal, headerOf };

if (require.main === module) {
	const [act, file, secretFile, out, ...members] = process.argv.slice(2);
	const secret = passphrase(secretFile);
	if (act === 'open') {
		const opened = open(fs.readFileSync(file), secret);
		fs.writeSync(2, JSON.stringify(opened.header) + '\n');
		fs.writeFileSync(1, opened.bundle);
	} else if (act === 'seal') {
		const bundle = fs.readFileSync(file);
		const others = Object.fromEntries(members.map((m) => [m.split('=')[0], JSON.parse(m.slice(m.indexOf('=') + 1))]));
		fs.writeFileSync(out, seal(bundle, secret, headerOf(bundle, others)), { mode: 0o600 });
	} else {
		process.exit(2);
	}
}
